"""Models and a scene for all tests of `dnas predict`."""

from pathlib import Path

import pytest

from tests.support.predicting import write_scene
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
def scene(tmp_path: Path) -> Path:
    """A placed scene of red, green and blue with some structure, 150 x 130 pixels."""
    return write_scene(tmp_path / "scene.tif", crs="EPSG:32631")
