"""Devices without double precision, as Apple's GPUs are: models are used there by default."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import dnas
from tests.support.no_doubles import no_doubles
from tests.support.small_models import write_model
from tests.support.small_scenes import write_raster

GID5 = (
    "classes: {built-up: [255, 0, 0], farmland: [0, 255, 0], forest: [0, 255, 255], "
    "meadow: [255, 255, 0], water: [0, 0, 255]}"
)


@pytest.mark.parametrize("command", ["predict", "suggest", "eval"])
def test_a_model_needs_no_double_precision_of_the_device(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    bands = ("red", "green", "blue", "nir")
    model = write_model(tmp_path / "model.pt", bands=bands, classes=GID5, tile_size=32)
    values = np.random.default_rng(0).integers(0, 255, (4, 40, 40)).astype(np.uint8)
    write_raster(tmp_path / "a.tif", values)
    data, out = (tiny_tiles, "x.json") if command == "eval" else (tmp_path / "a.tif", "x.csv")
    out = "map.tif" if command == "predict" else out
    with no_doubles(monkeypatch):
        dnas(command, model, data, "--out", tmp_path / out, "--device", "cpu")
