"""Tiles of `dnas tile`: where they lie, what they hold, what is measured on them."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from PIL import Image

from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.grid import offsets, tile_rows
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.overlaps import first_shown
from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas
from tests.support.small_scenes import class_indices, make_gid, make_plain, write_raster


def test_a_gid_scene_has_14_by_15_tiles_and_the_last_ones_end_at_the_border() -> None:
    rows = tile_rows(6800, 7200, 512)
    assert (len(rows), {len(row) for row in rows}) == (14, {15})
    assert (rows[-1][-1].row, rows[-1][-1].column) == (6800 - 512, 7200 - 512)
    assert (rows[1][1].row, rows[1][1].column) == (512, 512)


@pytest.mark.parametrize(
    ("length", "starts"), [(512, (0,)), (513, (0, 1)), (1024, (0, 512)), (100, (0,)), (1, (0,))]
)
def test_tiles_cover_a_side_with_as_few_as_possible(length: int, starts: tuple[int, ...]) -> None:
    assert offsets(length, 512) == starts


def test_statistics_and_class_pixels_are_those_of_the_training_tiles(tmp_path: Path) -> None:
    dnas("tile", make_gid(tmp_path / "gid5"), "--size", 64)
    tiles = open_tile_set(tmp_path / "gid5-tiles")
    images, labels = [], []  # whole ones: a pixel that two tiles show counts once
    for scene in tiles.scenes("train"):
        with rasterio.open(tmp_path / f"gid5/image_NirRGB/{scene}.tif") as file:
            images.append(file.read(2))
        labels.append(class_indices(int(scene[-1]), 100, 130))
    values = np.stack(images)
    red = tiles.statistics["red"]
    assert red["count"] == values.size
    assert red["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert red["std"] == pytest.approx(values.std(), rel=1e-9)
    assert (red["min"], red["max"]) == (values.min(), values.max())
    assert red["percentiles"]["50"] == np.percentile(values, 50, method="inverted_cdf")
    assert tiles.class_pixels("train")["water"] == (np.stack(labels) == 4).sum()
    assert tiles.unlabelled_pixels("train") == (np.stack(labels) == 5).sum()


def _first_shown(tiles: TileSet, ref: TileRef) -> npt.NDArray[np.bool_]:
    """Return the pixels of a tile that no earlier tile of its split shows."""
    return first_shown(tiles._repeated.get(ref.image, ()), tiles.tile_size)


def test_sixteen_bit_scenes_are_normalised_from_the_training_split(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "plain", nodata=0)
    result = dnas("tile", source, "--size", 32, "--json")
    tiles = open_tile_set(tmp_path / "plain-tiles")
    assert (tiles.dtype, tiles.bands, tiles.nodata) == ("uint16", ("a", "b"), 0)
    contents = [tiles.read(ref) for ref in tiles.split("train")]
    valid = np.concatenate(
        [
            image[:, mask & _first_shown(tiles, ref)]
            for ref, (image, mask, _) in zip(tiles.split("train"), contents, strict=True)
        ],
        axis=1,
    )
    assert tiles.normalisation.scale == 1
    assert tiles.normalisation.mean == pytest.approx(valid.mean(axis=1))
    assert tiles.normalisation.std == pytest.approx(valid.std(axis=1))
    assert valid.min() > 0, "nodata takes no part"
    normalised = tiles.normalisation.apply(contents[0][0], contents[0][1])
    assert abs(normalised).max() < 10
    assert json.loads(result.stdout)["splits"]["train"]["tiles"] == 18


def test_pixels_without_data_have_no_label_either(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "plain", dtype="float32", nodata=float("nan"))
    dnas("tile", source, "--size", 32)
    tiles = open_tile_set(tmp_path / "plain-tiles")
    ref = next(ref for ref in tiles.split("train") if ref.image.endswith("_0_0_img.tif"))
    _, valid, label = tiles.read(ref)
    assert not valid[:5, :5].any()
    assert valid[5:, 5:].all()
    assert (label[:5, :5] == 255).all()
    assert (label[5:, 5:] != 255).all()
    assert (np.asarray(Image.open(tiles.root / ref.label)) == label).all()


def test_any_number_of_bands_is_cut_without_a_list_of_bands(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "plain")
    for path in (source / "images").iterdir():
        write_raster(path, np.ones((9, 70, 64), np.int16) * 7)
    (source / "dataset.yaml").write_text("classes: {low: [10, 10, 10], high: [200, 0, 0]}\n")
    dnas("tile", source, "--size", 32)
    tiles = open_tile_set(tmp_path / "plain-tiles")
    assert tiles.bands == tuple("123456789")
    assert tiles.normalisation.std == (1.0,) * 9, "a constant band is not divided by zero"


def test_a_band_taken_for_alpha_is_reported_with_what_to_do(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "plain")
    for number, path in enumerate(sorted((source / "images").iterdir())):
        write_raster(path, np.full((4, 70, 64), 9 + number, np.uint8))
    (source / "dataset.yaml").write_text("classes: {low: [10, 10, 10], high: [200, 0, 0]}\n")
    result = dnas("tile", source, "--size", 32)
    assert "5 of 5 images have a band 4 that is taken for alpha" in result.stderr
    assert open_tile_set(tmp_path / "plain-tiles").bands == ("red", "green", "blue")


def test_images_smaller_than_a_tile_are_filled_up_and_named(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "plain")
    result = dnas("tile", source, "--size", 80)
    assert "5 of 5 images are smaller than 80 px" in result.stderr
    assert "images/s0.tif (64 x 70)" in result.stderr
    tiles = open_tile_set(tmp_path / "plain-tiles")
    image, valid, label = tiles.read(tiles.split("train")[0])
    assert image.shape == (2, 80, 80)
    assert valid[:70, :64].all()
    assert valid.sum() == 70 * 64
    assert (label[~valid] == 255).all()
    assert tiles.statistics["a"]["count"] == 3 * 70 * 64


def test_a_split_by_block_measures_its_training_tiles(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=2)
    dnas("tile", source, "--size", 64, "--split-by", "tile")
    tiles = open_tile_set(tmp_path / "gid5-tiles")
    assert [tiles.count(split) for split in ("train", "val", "test")] == [7, 3, 2]
    refs = tiles.split("train")
    values = np.concatenate([tiles.read(ref)[0][3, _first_shown(tiles, ref)] for ref in refs])
    assert tiles.statistics["nir"]["mean"] == pytest.approx(values.mean())
    assert not (tiles.root / ".progress").exists()


def test_too_few_scenes_for_a_split_are_told(tmp_path: Path) -> None:
    result = dnas("tile", make_gid(tmp_path / "gid5", scenes=2), "--size", 64)
    assert "the split test is empty" in result.stderr
    assert "--split-by area" in result.stderr
