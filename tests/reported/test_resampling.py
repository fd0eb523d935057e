"""Scenes at the ground resolution of a model or of a tile set."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.ground import grid_at
from dnas_cli.scenes.raster import Window, open_raster
from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.reported_inputs import INDEX, dataset, noise, place, put, quarters, tiles_of
from tests.support.small_models import write_model


def test_scenes_of_a_set_get_one_resolution_and_labels_follow(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number, pixel in enumerate((10, 10, 5)):
        values = noise(number)
        values = values if pixel == 10 else values.repeat(2, 1).repeat(2, 2)
        label = quarters() if pixel == 10 else quarters().repeat(2, 0).repeat(2, 1)
        where = place(500_000 + 10_000 * number, pixel=pixel)
        put(folder / f"images/s{number}.tif", values, **where)
        put(folder / f"labels/s{number}.tif", label, **({} if number == 2 else where))
    tiles = tiles_of(folder, "--resample", 10)
    assert tiles.ground_resolution == pytest.approx(10, rel=1e-3)
    for split in ("train", "val", "test"):
        for ref in tiles.split(split):
            image, valid, label = tiles.read(ref)
            row, column = (32 * int(part) for part in ref.image.split("_")[-3:-1])
            part = np.s_[row : row + 32, column : column + 32]
            assert valid.all()
            assert np.array_equal(label, quarters()[part])
            difference = image.astype(int) - noise(int(ref.scene[1:]))[:, *part]
            # An average over two pixels of 5 m each way reaches over the border of their square.
            assert abs(difference).mean() < (0.01 if ref.scene != "s2" else 40)
    assert len(tiles.split("train")) == 4
    given = ("tile", folder, "--out", tmp_path / "t", "--size", 32, "--workers", 1)
    assert "the ground resolution differs" in dnas(*given).stderr
    assert "must be metres above zero" in dnas(*given, "--resample", 0, code=2).stderr


@pytest.mark.parametrize("nodata", [None, 0])
def test_a_map_of_a_resampled_scene_has_the_grid_of_its_file(
    nodata: int | None, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model.pt", ground_resolution=10.0)
    values = noise()
    coarse = put(tmp_path / "coarse.tif", values, **place())
    fine_values = values.repeat(3, 1).repeat(3, 2)
    fine_values[:, :, 100:] = 0
    fine = put(tmp_path / "fine.tif", fine_values, nodata=nodata, **place(pixel=10 / 3))
    given = ("predict", model, "--device", "cpu", "--json")
    outs = ("--out", tmp_path / "fine_map.tif", "--confidence", tmp_path / "sure.tif")
    result = json.loads(dnas(*given, fine, *outs, "--resample").stdout)[0]
    assert (result["width"], result["height"]) == (192, 192)
    mapped = read(tmp_path / "fine_map.tif")
    with rasterio.open(tmp_path / "fine_map.tif") as raster, rasterio.open(fine) as scene:
        assert (raster.transform, raster.crs) == (scene.transform, scene.crs)
    assert (read(tmp_path / "sure.tif") == IGNORE).sum() == (mapped == IGNORE).sum()
    assert (mapped[:, 100:] == IGNORE).all() == (nodata == 0)
    with open_raster(fine) as scene:
        grid = grid_at(scene.georeference, 192, 192, 10.0)
    with open_raster(fine, grid=grid) as scene:
        put(tmp_path / "there.tif", scene.read(Window(0, 0, 64, 64)), nodata=nodata, **place())
    dnas(*given, tmp_path / "there.tif", "--out", tmp_path / "there_map.tif")
    expected = read(tmp_path / "there_map.tif").repeat(3, 0).repeat(3, 1)
    assert np.array_equal(mapped[:, :96], expected[:, :96])
    dnas(*given, coarse, "--out", tmp_path / "as_is.tif", "--resample")
    dnas(*given, coarse, "--out", tmp_path / "plain.tif")
    assert np.array_equal(read(tmp_path / "as_is.tif"), read(tmp_path / "plain.tif"))


def test_a_scene_in_degrees_gets_pixels_that_are_square_on_the_ground(tmp_path: Path) -> None:
    degrees = {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 15, 0, -1e-4, 60)}
    scene = put(tmp_path / "s.tif", noise(), **degrees)
    with open_raster(scene) as raster:
        grid = grid_at(raster.georeference, 64, 64, 11.14)
    assert grid is not None
    assert (grid.height, grid.width) == (64, 32)
    with open_raster(scene, grid=grid) as raster:
        pairs = noise().reshape(3, 64, 32, 2).mean(-1)
        assert abs(raster.read(Window(0, 0, 64, 32)) - pairs).mean() < 25
        parts = [raster.read(Window(row, 0, 16, 32)) for row in range(0, 64, 16)]
        assert np.array_equal(np.concatenate(parts, 1), raster.read(Window(0, 0, 64, 32)))


def test_a_model_or_scene_without_a_resolution_is_named(tmp_path: Path) -> None:
    scene = put(tmp_path / "s.tif", noise())
    out = ("--out", tmp_path / "map.tif", "--device", "cpu", "--resample")
    plain = write_model(tmp_path / "plain.pt")
    said = dnas("predict", plain, scene, *out, code=2).stderr
    assert "--resample: the model does not say its ground resolution" in said
    model = write_model(tmp_path / "model.pt", ground_resolution=10.0)
    assert "has no place on the ground" in dnas("predict", model, scene, *out).stderr
