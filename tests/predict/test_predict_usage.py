"""`dnas predict` used wrongly, and as a process of its own."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.command_line import dnas, start_interpreter
from tests.support.predicting import read
from tests.support.small_models import write_model


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--out", "map.jpg"], 2, "is not written"),
        (["--out", "m/{nme}.tif"], 2, "{nme} stands for nothing"),
        (["--out", "m.tif", "--tta", "turns"], 2, "--tta"),
        (["--out", "m.tif", "--nodata", "zero"], 2, "--nodata zero"),
        (["--out", "m.tif", "--bands", "1,,2"], 2, "a name is empty"),
        (["--out", "m.tif", "--bands", "1,2,9"], 4, "no band '9'"),
        (["--out", "m.tif", "--bands", "1,2"], 4, "--bands gives 2 bands"),
        (["--out", "m.tif", "--window", "64", "--overlap", "40"], 2, "between 0 and 32"),
        (["--out", "m.tif", "--device", "tpu"], 2, "--device tpu"),
        (["--out", "m.gpkg", "--min-area", "nan"], 2, "--min-area"),
        (["--out", "m.tif", "--simplify", "3"], 2, "are for polygons"),
        (["--out", "m.tif", "--map-nodata", "2"], 2, "is the class 'water' in the map"),
        (["--out", "m.tif", "--map-nodata", "256"], 2, "--map-nodata"),
        (["--out", "m.tif", "--out", "m.tif"], 2, "written twice"),
        ([], 2, "--out"),
    ],
)
def test_wrong_use_is_one_message_and_its_exit_code(
    arguments: list[str],
    code: int,
    said: str,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in dnas("predict", models["rgb"], scene, *arguments, code=code).stderr
    assert not list(tmp_path.glob("m*"))


def test_a_scene_that_is_no_scene_and_a_model_that_is_none(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out = ("-o", tmp_path / "map.tif")
    assert (
        "no such file" in dnas("predict", models["rgb"], tmp_path / "no.tif", *out, code=4).stderr
    )
    swapped = dnas("predict", scene, models["rgb"], *out, code=4).stderr
    assert "is a raster, not a model file" in swapped
    assert "The model comes first" in swapped
    twice = dnas("predict", models["rgb"], models["rgb"], *out, code=4).stderr
    assert "is a model file, not a raster" in twice
    assert str(scene) in dnas("predict", scene, scene, *out, code=4).stderr
    (tmp_path / "run").mkdir()
    shutil.copy(models["rgb"], tmp_path / "run/model.pt")
    assert "Give" in dnas("predict", tmp_path / "run", scene, *out, code=4).stderr


def test_the_program_itself_keeps_results_and_messages_apart(scene: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.pt")
    process = start_interpreter("predict", model, scene, "--out", tmp_path / "map.tif", "--json")
    output, errors = process.communicate()
    assert json.loads(output)[0]["status"] == "done"
    assert "of memory" in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
def test_a_log_that_cannot_be_written_stops_no_work(scene: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.pt")
    with Path("/dev/full").open("w") as full:
        process = start_interpreter(
            "predict", model, scene, "--out", tmp_path / "map.tif", stderr=full
        )
    process.communicate()
    assert process.returncode == 0
    assert read(tmp_path / "map.tif").shape == (150, 130)
