"""`dnas predict` by ONNX Runtime: of a model file, and of an ONNX file."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import dnas
from tests.support.predicting import read, write_scene
from tests.support.small_models import write_model


@pytest.mark.parametrize("per_image", [False, True])
def test_both_engines_and_the_onnx_file_give_the_same_map(tmp_path: Path, per_image: bool) -> None:
    model = write_model(tmp_path / "model.pt", per_image=per_image)
    scene = write_scene(tmp_path / "scene.tif", nodata=0)
    dnas("export", model, "--onnx", tmp_path / "model.onnx")
    maps = {}
    for name, arguments in {
        "torch": (model,),
        "onnx": (model, "--engine", "onnx", "--tta", "flips", "--batch", 3),
        "flipped": (model, "--tta", "flips"),
        "file": (tmp_path / "model.onnx",),
    }.items():
        out, sure = tmp_path / f"{name}.tif", tmp_path / f"{name}-sure.tif"
        model_file, *more = arguments
        dnas("predict", model_file, scene, "--out", out, "--confidence", sure, *more)
        maps[name] = read(out), read(sure).astype(int)
    for one, other in (("torch", "file"), ("flipped", "onnx")):
        assert np.mean(maps[one][0] == maps[other][0]) > 0.999
        assert np.abs(maps[one][1] - maps[other][1]).max() <= 1
        assert np.array_equal(maps[one][0] == 255, maps[other][0] == 255)
    assert len(np.unique(maps["file"][0])) >= 3


def test_an_engine_runs_where_it_can(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.pt")
    scene = write_scene(tmp_path / "scene.tif")
    onnx = tmp_path / "model.onnx"
    dnas("export", model, "--onnx", onnx, "--for", "deepness", "--resolution", 1)
    out = ("--out", tmp_path / "map.tif")
    assert "for any program" in dnas("predict", onnx, scene, *out, code=4).stderr
    onnx.write_bytes(b"no model")
    assert "ONNX Runtime" in dnas("predict", onnx, scene, *out, code=4).stderr
    message = dnas("predict", model, scene, *out, "--engine", "onnx", "--device", "cuda", code=2)
    assert "CPU" in message.stderr
    assert "--engine onnx" in dnas("predict", onnx, scene, *out, "--engine", "torch", code=2).stderr


def test_an_onnx_file_that_was_changed_is_one_message(tmp_path: Path) -> None:
    scene, onnx = write_scene(tmp_path / "scene.tif"), tmp_path / "model.onnx"
    dnas("export", write_model(tmp_path / "model.pt"), "--onnx", onnx)
    whole = onnx.read_bytes()
    changes = {"text": (b"built-up", b"built\xffup"), "input": (b"image", b"imago")}
    for name, (old, new) in changes.items():
        assert old in whole
        onnx.write_bytes(whole.replace(old, new))
        said = dnas("predict", onnx, scene, "--out", tmp_path / f"{name}.tif", code=4).stderr
        assert f"{onnx}: " in said
        assert "ONNX Runtime" in said
