"""Models and a scene for all tests of `dnas predict`."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dnas_cli.app import app
from tests.support.predicting import Predict, write_scene
from tests.support.small_models import write_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models for three bands, four bands and Landsat's 16 bits."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "rgb": write_model(folder / "rgb.pt"),
        "rgbn": write_model(folder / "rgbn.pt", ("red", "green", "blue", "nir")),
        "landsat": write_model(
            folder / "landsat.pt", ("blue", "green", "red"), "uint16", largest=16_000
        ),
    }


@pytest.fixture
def predict(runner: CliRunner) -> Predict:
    """Run `dnas predict` and return its result."""

    def run(*arguments: str | Path, code: int = 0) -> Any:
        result = runner.invoke(app, ["predict", *map(str, arguments)])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A placed scene of red, green and blue with some structure, 150 x 130 pixels."""
    return write_scene(tmp_path / "scene.tif", crs="EPSG:32631")
