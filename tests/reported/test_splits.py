"""Splits and statistics that hold."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.transform import Affine

from dnas_cli.datasets.discovery import Pair
from dnas_cli.datasets.inspection import ImageFacts
from dnas_cli.mapping.image_moments import image_moments
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.ground import outline
from dnas_cli.scenes.raster import open_raster
from dnas_cli.tiles.ground_overlaps import overlapping_scenes
from dnas_cli.tiles.split_areas import strips
from tests.support.command_line import dnas
from tests.support.reported_inputs import INDEX, dataset, noise, place, put, quarters, tiles_of
from tests.support.small_models import write_model


def test_two_dates_of_one_place_go_to_one_split_and_are_named(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number in range(3):
        for date in ("may", "july"):
            name = f"p{number}-{date}"
            put(folder / f"images/{name}.tif", noise(number), **place(500_000 + 10_000 * number))
            put(folder / f"labels/{name}.tif", quarters())
    out = tmp_path / "tiles"
    said = dnas("tile", folder, "--out", out, "--size", 32, "--workers", 1)
    assert "p0-july, p0-may overlap on the ground, so all go to" in said.stderr
    for split in ("train", "val", "test"):
        (line,) = [line for line in said.stdout.splitlines() if line.startswith(f"{split}: ")]
        first, second = line.removeprefix(f"{split}: ").split(", ")
        assert first.split("-")[0] == second.split("-")[0]
    options = ("--val-scenes", "p0-may", "--overwrite", "--size", 32)
    said = dnas("tile", folder, "--out", out, *options)
    assert "scores on one split are too high" in said.stderr


def test_footprints_overlap_where_scenes_do_whatever_their_crs(tmp_path: Path) -> None:
    half = 10 * 0.5**0.5  # pixels of 10 m, turned by 45 degrees
    utm, degrees, south = "EPSG:32633", "EPSG:4326", "EPSG:3031"
    lain: dict[str, tuple[str, Affine]] = {
        # neighbours in a row that is turned: boxes around them share a quarter
        "a1": (utm, Affine(half, half, 500_000, half, -half, 5e6)),
        "a2": (utm, Affine(half, half, 500_000 + 64 * half, half, -half, 5e6 + 64 * half)),
        # one place on both sides of the date line
        "b1": (degrees, Affine(1e-4, 0, 179.997, 0, -1e-4, 60)),
        "b2": (degrees, Affine(1e-4, 0, -180.002, 0, -1e-4, 60)),
        "c1": (degrees, Affine(1e-4, 0, -100, 0, -1e-4, 60)),
        # the pole, and beside it
        "d1": (south, Affine(100, 0, -3200, 0, -100, 3200)),
        "d2": (south, Affine(100, 0, 3200, 0, -100, 3200)),
        "d3": (south, Affine(100, 0, 2000, 0, -100, 2000)),
    }
    facts = [
        ImageFacts(
            Pair(key=name, scene=name, scene_text=name, image=name, label=name, bands=()),
            64, 64, (), (), "uint8", None, None,
            outline=outline(Georeference(CRS.from_string(crs).to_wkt(), tuple(where)[:6]), 64, 64),
        )
        for name, (crs, where) in lain.items()
    ]  # fmt: skip
    groups = overlapping_scenes(facts)
    assert groups == {"b1": "b1", "b2": "b1", "d1": "d1", "d2": "d1", "d3": "d1"}


def test_outliers_do_not_ruin_the_normalisation(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number in range(3):
        values = np.random.default_rng(number).normal(0.3, 0.1, (2, 64, 64)).astype(np.float32)
        values[0, 0, :4] = 1e30
        values[1, 0, :4] = 1e6
        put(folder / f"images/s{number}.tif", values)
        put(folder / f"labels/s{number}.tif", quarters())
    out = tmp_path / "tiles"
    said = dnas("tile", folder, "--out", out, "--size", 32, "--workers", 1).stderr
    assert "3 images hold values of 1e20 and more, which count as no data" in said
    normalisation = tiles_of(folder).normalisation
    assert normalisation.mean == pytest.approx((0.3, 0.3), abs=0.02)
    assert normalisation.std == pytest.approx((0.1, 0.1), abs=0.02)


def test_an_undeclared_collar_of_zeros_is_reported(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number in range(3):
        values = noise(number)
        values[:, :, :16] = 0
        put(folder / f"images/s{number}.tif", values)
        put(folder / f"labels/s{number}.tif", quarters())
    said = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, "--workers", 1).stderr
    assert "3 images are 0 in all bands on up to 25 % of their pixels" in said


def test_tiles_without_any_label_are_left_out_unless_kept(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX + "ignore: 9\n")
    for number in range(3):
        label = quarters()
        label[32:] = 9
        put(folder / f"images/s{number}.tif", noise(number))
        put(folder / f"labels/s{number}.tif", label)
    assert tiles_of(folder).count("train") == 2
    assert tiles_of(folder, "--keep-empty", "--overwrite").count("train") == 4


def test_other_ground_resolutions_are_told_by_tile_and_predict(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number, pixel in enumerate((10, 10, 20)):
        where = place(500_000 + 10_000 * number, pixel=pixel)
        put(folder / f"images/s{number}.tif", noise(number), **where)
        put(folder / f"labels/s{number}.tif", quarters(), **where)
    said = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, "--workers", 1).stderr
    assert "has pixels of 10 m, images/s2.tif of 20 m" in said
    model = write_model(tmp_path / "model.pt", ground_resolution=10.0)
    given = ("predict", model, folder / "images/s2.tif", "--out", tmp_path / "m.tif")
    assert "its pixels are 20 m on the ground, in training they were 10 m" in dnas(*given).stderr


def test_bands_are_never_renamed_in_silence(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX + "bands: [red, nir]\n")
    for number in range(3):
        names = ("B03", "B08")
        put(folder / f"images/s{number}.tif", noise(number, bands=2), descriptions=names)
        put(folder / f"labels/s{number}.tif", quarters())
    said = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, code=4).stderr
    assert "names its bands B03, B08, but the dataset has red, nir" in said
    positions = "images: {path: 'images/{scene}.tif', bands: [red, nir]}\n"
    (folder / "dataset.yaml").write_text(INDEX + "bands: [red, nir]\n" + positions)
    assert tiles_of(folder).bands == ("red", "nir")
    model = write_model(tmp_path / "model.pt", ("red", "nir"))
    given = ("predict", model, folder / "images/s0.tif", "--out", tmp_path / "m.tif")
    assert "--bands 1,2" in dnas(*given, code=4).stderr
    dnas(*given, "--bands", "1,2")


def test_tiles_of_lists_without_any_label_are_left_out_unless_kept(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX + "ignore: 9\n")
    for number in range(4):
        put(folder / f"images/s{number}.tif", noise(number, size=32), **place())
        put(folder / f"labels/s{number}.tif", np.full((32, 32), 9 if number == 1 else 2, np.uint8))
    for split, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        lines = [f"images/s{n}.tif\tlabels/s{n}.tif\n" for n in numbers]
        (folder / f"{split}.lst").write_text("".join(lines))
    tiles = tiles_of(folder, "--from-lists", folder)
    assert [ref.image for ref in tiles.split("train")] == ["images/s0.tif"]
    assert tiles.ground_resolution == pytest.approx(10, rel=1e-3)
    assert tiles.crs_unit == "metre"
    kept = tiles_of(folder, "--from-lists", folder, "--keep-empty", "--overwrite")
    assert len(kept.split("train")) == 2


def test_outliers_do_not_ruin_the_normalisation_of_each_image(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX + "normalisation: image\n")
    for number in range(3):
        values = np.random.default_rng(number).normal(0.3, 0.1, (1, 64, 64)).astype(np.float32)
        values[0, 0, :4] = 1e6
        put(folder / f"images/s{number}.tif", values, **place(500_000 + 10_000 * number))
        put(folder / f"labels/s{number}.tif", quarters())
    tiles = tiles_of(folder)
    own = tiles.normalisation_of(tiles.split("train")[0])
    assert own.mean == pytest.approx((0.3,), abs=0.02)
    assert own.std == pytest.approx((0.1,), abs=0.02)
    with open_raster(folder / "images/s0.tif") as scene:
        assert image_moments(scene).std == pytest.approx((0.1,), abs=0.02)


def test_one_mosaic_is_split_in_strips_with_a_guard_between(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    label = np.zeros((330, 128), np.uint8)
    label[:, 40:90], label[:, 90:] = 1, 2
    put(folder / "images/mosaic.tif", np.full((3, 330, 128), 9, np.uint8), **place())
    put(folder / "labels/mosaic.tif", label, **place())
    tiles = tiles_of(folder, "--split-by", "area")
    starts = {
        split: {min(32 * int(ref.image.split("_")[-3]), 330 - 32) for ref in tiles.split(split)}
        for split in ("train", "val", "test")
    }
    spans = sorted((min(rows), max(rows) + 32) for rows in starts.values())
    assert all(after[0] - before[1] >= 16 for before, after in pairwise(spans))
    sizes = {split: len(rows) for split, rows in starts.items()}
    assert sizes["train"] >= 5
    assert min(sizes.values()) >= 1
    for split in starts:
        assert all(tiles.class_pixels(split).values())


def test_strips_leave_lines_out_between_them() -> None:
    tens = list(range(0, 100, 10))
    assert strips(tens, 10, (6, 2, 2)) == dict.fromkeys(range(5), 0) | {6: 1, 7: 1, 9: 2}
    shifted = [*tens[:-1], 82]  # the last line starts 2 pixels after the previous one
    assert strips(shifted, 10, (6, 2, 2)) == dict.fromkeys(range(5), 0) | {6: 1, 9: 2}
    assert strips([0, 10], 10, (6, 2, 2)) == {0: 0, 1: 0}
