"""Numbers that are none: huge floats, large offsets, and what a network makes of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from dnas_cli.errors import DnasError
from dnas_cli.mapping.blending import Blend
from dnas_cli.mapping.window_batches import WindowBatch
from dnas_cli.mapping.windows import WindowGrid
from dnas_cli.metrics import IGNORE
from dnas_cli.model.model_file import ModelFacts, load_model, save_model
from dnas_cli.run.settings import SearchSettings
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.training.batches import TrainingTiles
from dnas_cli.training.losses import balanced_weights
from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.small_models import write_model
from tests.support.small_scenes import make_plain, write_raster

HUGE = [-3.4e38, 9.96921e36, 1e20, -1e30]


@pytest.mark.parametrize("value", [*HUGE, 1e300, float("inf"), float("nan")])
def test_a_number_that_nothing_measures_is_no_data(tmp_path: Path, value: float) -> None:
    dtype = np.float64 if abs(value) > 1e39 else np.float32
    values = np.ones((2, 8, 8), dtype)
    values[1, 2, 3] = value
    write_raster(tmp_path / "a.tif", values)
    with open_raster(tmp_path / "a.tif") as raster:
        valid = raster.valid(Window(0, 0, 8, 8))
    assert np.argwhere(~valid).tolist() == [[2, 3]]


def test_a_number_that_its_scale_makes_huge_is_no_data(tmp_path: Path) -> None:
    values = np.full((2, 8, 8), 1e-5, np.float32)
    values[1, 2, 3] = 1e18
    write_raster(tmp_path / "a.tif", values)
    with without_georeference(), rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.scales = (1.0, 1e21)
    for scaled, expected in ((False, []), (True, [[2, 3]])):
        with without_georeference(), open_raster(tmp_path / "a.tif", scaled=scaled) as raster:
            valid = raster.valid(Window(0, 0, 8, 8))
        assert np.argwhere(~valid).tolist() == expected


@pytest.mark.parametrize("value", HUGE)
def test_one_undeclared_huge_number_leaves_the_map_around_it_as_it_is(
    tmp_path: Path, value: float
) -> None:
    model = write_model(tmp_path / "model.pt", dtype="float32", largest=1.0, tile_size=32)
    values = np.random.default_rng(0).random((3, 64, 64), np.float32)
    maps = []
    for name, here in (("without", float("nan")), ("with", value)):
        values[0, 30, 30] = here
        write_raster(tmp_path / f"{name}.tif", values)
        dnas("predict", model, tmp_path / f"{name}.tif", "--out", tmp_path / f"{name}-map.tif")
        with without_georeference(), rasterio.open(tmp_path / f"{name}-map.tif") as made:
            maps.append(made.read(1))
    assert np.array_equal(maps[0], maps[1])
    assert (maps[0] == IGNORE).sum() == 1


@pytest.mark.parametrize(("dtype", "huge"), [("float32", -3.4e38), ("float64", 1e300)])
def test_huge_numbers_do_not_decide_what_training_sees(
    dtype: str, huge: float, tmp_path: Path
) -> None:
    source = make_plain(tmp_path / "plain", dtype=dtype, nodata=float("nan"))
    for path in sorted((source / "images").iterdir()):
        with without_georeference(), rasterio.open(path, "r+") as file:
            values = file.read()
            values[0, 20, 20], values[1, 40, 40] = huge, 9e36
            file.write(values)
    dnas("tile", source, "--size", 32)
    tiles = open_tile_set(tmp_path / "plain-tiles")
    assert max(tiles.normalisation.std) < 1000


@pytest.mark.parametrize(("offset", "dtype"), [(1e8, "int32"), (1e8, "float64"), (1e12, "int64")])
def test_small_differences_on_a_large_offset_reach_the_network(offset: float, dtype: str) -> None:
    steps = np.arange(16).reshape(1, 4, 4)
    image = (steps + offset).astype(dtype)
    normalised = Normalisation(1.0, (offset + 7.5,), (1.0,)).apply(image)
    assert np.allclose(normalised[0], steps[0] - 7.5)


FAR = 100_000_000  # float32 has no 100,000,001


def test_scaled_values_far_from_zero_stay_apart(tmp_path: Path) -> None:
    steps = np.arange(16).reshape(1, 4, 4)
    for values, scale, offset in (
        ((FAR + steps).astype(np.int32), 2.0, 1.0),
        (FAR + steps / 8, 1.0, 0.5),
        (steps.astype(np.uint16), 1.0, FAR),
    ):
        write_raster(tmp_path / "a.tif", values)
        with without_georeference(), rasterio.open(tmp_path / "a.tif", "r+") as file:
            file.scales, file.offsets = (scale,), (offset,)
        with without_georeference(), open_raster(tmp_path / "a.tif", scaled=True) as raster:
            assert np.array_equal(raster.read(Window(0, 0, 4, 4)), values * scale + offset)


def test_tiles_far_from_zero_train_as_those_near_it(tmp_path: Path) -> None:
    images = []
    for name, dtype, offset in (("near", "uint16", 0), ("far", "int32", FAR)):
        source = make_plain(tmp_path / name, dtype="uint16")
        for path in (source / "images").iterdir():
            with without_georeference(), rasterio.open(path) as file:
                values = file.read()
            write_raster(path, (values.astype(np.int64) + offset).astype(dtype))
        dnas("tile", source, "--size", 32)
        tiles = open_tile_set(tmp_path / f"{name}-tiles")
        item = TrainingTiles(tiles, tiles.split("train"), SearchSettings(), 0)[0, 0]
        assert not isinstance(item, DnasError)
        images.append(item[0].numpy())
    assert images[0].std() > 0.1
    assert np.allclose(images[0], images[1], atol=1e-5)


@pytest.mark.parametrize("kind", ["int32", "float64", "scaled"])
def test_a_scene_far_from_zero_is_mapped_as_one_near_it(tmp_path: Path, kind: str) -> None:
    near = load_model(write_model(tmp_path / "near.pt", tile_size=32), torch.device("cpu"))
    mean = tuple(value + FAR / 255 for value in near.facts.normalisation.mean)
    facts = replace(near.facts, normalisation=replace(near.facts.normalisation, mean=mean))
    save_model(tmp_path / "far.pt", replace(near, facts=facts))
    values = np.random.default_rng(0).integers(0, 255, (3, 40, 40))
    write_raster(tmp_path / "near.tif", values.astype(np.uint8))
    stored = values.astype(np.uint8) if kind == "scaled" else (values + FAR).astype(kind)
    write_raster(tmp_path / "far.tif", stored)
    if kind == "scaled":
        with without_georeference(), rasterio.open(tmp_path / "far.tif", "r+") as file:
            file.offsets = (FAR,) * 3
    for name in ("near", "far"):
        more = ["--scaled"] if (kind, name) == ("scaled", "far") else []
        model, scene = (tmp_path / f"{name}.{suffix}" for suffix in ("pt", "tif"))
        dnas("predict", model, scene, "--out", tmp_path / f"{name}-map.tif", *more)
    maps = [read(tmp_path / f"{name}-map.tif") for name in ("near", "far")]
    assert len(np.unique(maps[0])) > 1
    assert np.array_equal(maps[0], maps[1])


def test_a_form_that_takes_float32_is_refused_where_values_need_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(write_model(tmp_path / "model.pt", tile_size=32), torch.device("cpu"))
    mean = (0.45, 0.45 + FAR / 255, 0.45)
    facts = replace(model.facts, normalisation=replace(model.facts.normalisation, mean=mean))
    save_model(tmp_path / "far.pt", replace(model, facts=facts))
    for form, name in (("--onnx", "x.onnx"), ("--torch", "x.pt2")):
        said = dnas("export", tmp_path / "far.pt", form, tmp_path / name, code=2).stderr
        assert "float32 cannot tell values of green apart" in said
    with monkeypatch.context() as patched:  # a file of an earlier version
        patched.setattr(ModelFacts, "beyond_float32", "")
        dnas("export", tmp_path / "far.pt", "--onnx", tmp_path / "x.onnx", "--no-check")
    scene = tmp_path / "a.tif"
    write_raster(scene, np.random.default_rng(0).integers(0, 255, (3, 40, 40)).astype(np.uint8))
    said = dnas("predict", tmp_path / "x.onnx", scene, "--out", tmp_path / "map.tif").stderr
    assert said.count("float32 cannot tell values of green apart; the map of the model") == 1


def test_balanced_weights_without_any_pixel_are_equal() -> None:
    assert balanced_weights([0, 0, 0]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("share", [float("nan"), float("inf"), 0.0, 3.0])
def test_probabilities_that_do_not_sum_to_one_never_reach_a_map(share: float) -> None:
    blend = Blend(WindowGrid(4, 0), 4, 4, 2, torch.device("cpu"), with_probabilities=True)
    shares = torch.full((1, 2, 4, 4), 0.5)
    shares[0, :, 1, 2] = share
    valid = np.ones((4, 4), np.bool_)
    valid[0, 0] = False
    images = np.zeros((1, 1, 4, 4), np.float32)
    rows = blend.add(WindowBatch(0, 0, images, (True,), valid), shares)
    assert rows is not None
    assert rows.unsound == 1
    assert np.argwhere(rows.classes == IGNORE).tolist() == [[0, 0], [1, 2]]
    assert rows.confidence[1, 2] == IGNORE
    assert rows.probabilities is not None
    assert (rows.probabilities[:, 1, 2] == IGNORE).all()
