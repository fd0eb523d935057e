"""Maps: their areas on the ground, and which of them are taken for done."""

import csv
import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pyogrio.raw
import pyproj
import pytest
import rasterio
from rasterio.transform import Affine

from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.ground import pixel_areas
from dnas_cli.scenes.overlay import natural_colours
from dnas_cli.scenes.raster import open_raster
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.writers import write_draft
from tests.support.command_line import dnas
from tests.support.reported_inputs import noise, put
from tests.support.small_models import CLASSES, write_model
from tests.support.small_scenes import behind_vrts, replace_unnoticed

PLACES = {
    "epsg4087": ("EPSG:4087", Affine(10, 0, 1_000_000, 0, -10, 6_679_169), 0.2055),
    "epsg3413": ("EPSG:3413", Affine(10, 0, 0, 0, -10, -3_200_000), 0.3828),
    "epsg32633": ("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 6_650_000), 0.4099),
    "degrees": ("EPSG:4326", Affine(1e-4, 0, 15, 0, -1e-4, 60), 0.2546),
    "mercator": ("EPSG:3857", Affine(10, 0, 1_000_000, 0, -10, 8_399_738), 0.1027),
}


@pytest.mark.parametrize("name", PLACES)
def test_areas_are_geodesic_in_the_summary_the_polygons_and_min_area(
    name: str, tmp_path: Path
) -> None:
    crs, transform, expected = PLACES[name]
    scene = put(tmp_path / f"{name}.tif", noise(), crs=crs, transform=transform)
    model = write_model(tmp_path / "model.pt")
    out = tmp_path / "map.gpkg"
    given = ("predict", model, scene, "--out", out, "--device", "cpu")
    result = json.loads(dnas(*given, "--json").stdout)[0]
    total = sum(item["area_km2"] for item in result["classes"])
    assert total == pytest.approx(expected, abs=1e-4)
    areas = pyogrio.raw.read(out, layer="map")[3][2]
    assert areas.sum() == pytest.approx(total * 1e6, rel=1e-4)
    limit = float(np.median(areas))
    dnas(*given, "--min-area", limit, "--overwrite")
    kept = pyogrio.raw.read(out, layer="map")[3][2]
    assert len(kept) == (areas >= limit).sum()


def test_areas_at_the_limb_of_the_earth_are_not_those_of_the_plane() -> None:
    disc = pyproj.CRS.from_user_input("+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=WGS84")
    x, y = np.meshgrid(5.2e6 + 4000 * np.arange(65), 1e5 - 4000 * np.arange(65))
    flat = pyproj.Transformer.from_crs(disc, "+proj=cea +ellps=WGS84", always_xy=True)
    east, north = np.array(flat.transform(x, y))
    corners = [np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, 1:], np.s_[1:, :-1]]
    turns = zip(corners, corners[1:] + corners[:1], strict=True)
    with np.errstate(invalid="ignore"):
        expected = abs(sum(east[a] * north[b] - east[b] * north[a] for a, b in turns)) / 2
    on_earth = np.isfinite(expected)
    where = Georeference(disc.to_wkt(), (4000, 0, 5.2e6, 0, -4000, 1e5))
    areas = pixel_areas(where, 0, 64, 64)
    assert areas is not None
    assert 0.5 < on_earth.mean() < 1
    assert areas[on_earth].sum() == pytest.approx(expected[on_earth].sum(), rel=0.02)
    assert np.median(abs(areas[on_earth] / expected[on_earth] - 1)) < 1e-3
    assert (areas[:, -4:] == 0).all()


def test_tiny_areas_are_not_zero(tmp_path: Path) -> None:
    where = {"crs": "EPSG:32633", "transform": Affine(0.1, 0, 500_000, 0, -0.1, 5_000_000)}
    scene = put(tmp_path / "s.tif", noise(), **where)
    said = dnas(
        "predict", write_model(tmp_path / "model.pt"), scene, "--out", tmp_path / "m.tif"
    ).stdout
    assert "area in km2" in said
    assert not re.search(r"\s0\.0*\s", said)


def test_simplify_takes_metres_and_refuses_nonsense_in_degrees(tmp_path: Path) -> None:
    where = {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 15, 0, -1e-4, 60)}
    scene = put(tmp_path / "s.tif", noise(), **where)
    model = write_model(tmp_path / "model.pt")
    given = ("predict", model, scene, "--out", tmp_path / "m.gpkg", "--device", "cpu")
    said = dnas(*given, "--simplify", "10", code=4).stderr
    assert "--simplify 10m" in said
    dnas(*given, "--simplify", "10m")
    assert "is not a length" in dnas(*given, "--simplify", "ten", code=2).stderr


@pytest.mark.parametrize("suffix", ["tif", "png", "gpkg", "geojson"])
def test_maps_of_another_model_or_a_replaced_scene_are_not_done(
    suffix: str, tmp_path: Path
) -> None:
    where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    for number in range(2):
        put(tmp_path / f"in/s{number}.tif", noise(number), **where)
    first, other = (write_model(tmp_path / f"{seed}.pt", seed=seed) for seed in (1, 2))
    out = ("--out", f"{tmp_path}/maps/{{name}}.{suffix}", "--device", "cpu", "--json")
    dnas("predict", first, tmp_path / "in", *out)
    before = {path: path.read_bytes() for path in (tmp_path / "maps").iterdir()}
    again = json.loads(dnas("predict", first, tmp_path / "in", *out).stdout)
    assert [item["status"] for item in again] == ["skipped", "skipped"]
    said = dnas("predict", other, tmp_path / "in", *out, code=3).stderr
    assert "was made by another model" in said
    assert before == {path: path.read_bytes() for path in (tmp_path / "maps").iterdir()}
    put(tmp_path / "in/s1.tif", noise(7), **where)
    said = dnas("predict", first, tmp_path / "in", *out, code=3).stderr
    assert f"s1.{suffix}: exists and was made of another scene" in said
    dnas("predict", other, tmp_path / "in", *out, "--overwrite")


def test_a_scene_replaced_at_the_same_size_and_time_is_noticed_and_a_copied_one_is_skipped(
    tmp_path: Path,
) -> None:
    where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    scene = put(tmp_path / "in/s.tif", noise(), **where)
    model = write_model(tmp_path / "model.pt")
    given = ("predict", model, tmp_path / "in", "--out", f"{tmp_path}/maps/{{name}}.tif")
    dnas(*given)
    made = (tmp_path / "maps/s.tif").read_bytes()
    shutil.copytree(tmp_path / "in", tmp_path / "copy")  # with times
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "copy").rename(tmp_path / "in")
    assert json.loads(dnas(*given, "--json").stdout)[0]["status"] == "skipped"
    replace_unnoticed(scene)
    assert "s.tif: exists and was made of another scene" in dnas(*given, code=3).stderr
    dnas(*given, "--overwrite")
    assert (tmp_path / "maps/s.tif").read_bytes() != made


def test_a_mosaic_is_another_scene_when_a_part_of_it_is_replaced(tmp_path: Path) -> None:
    where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    behind_vrts(put(tmp_path / "in/s.tif", noise(), **where))
    out = ("--out", f"{tmp_path}/maps/{{name}}.tif")
    given = ("predict", write_model(tmp_path / "model.pt"), tmp_path / "in", *out)
    dnas(*given)
    assert "skipped" in dnas(*given).stderr
    replace_unnoticed(tmp_path / "in/parts/s.tif")
    assert "s.tif: exists and was made of another scene" in dnas(*given, code=3).stderr


def test_a_scene_of_several_files_is_another_when_one_of_them_is_replaced(tmp_path: Path) -> None:
    band = put(tmp_path / "in/one_B.tif", noise()[:1])
    for name, values in zip("GR", noise()[1:], strict=True):
        put(tmp_path / f"in/one_{name}.tif", values[None])
    description = tmp_path / "d.yaml"
    description.write_text(
        "bands: {blue: 'in/{scene}_B.tif', green: 'in/{scene}_G.tif', red: 'in/{scene}_R.tif'}\n"
        "classes: {a: [1, 1, 1], b: [2, 2, 2]}\n"
    )
    given = (
        "predict", write_model(tmp_path / "model.pt"), tmp_path, "--dataset", description,
        "--out", f"{tmp_path}/maps/{{name}}.tif",
    )  # fmt: skip
    dnas(*given)
    assert "skipped" in dnas(*given).stderr
    replace_unnoticed(band)
    assert "was made of another scene" in dnas(*given, code=3).stderr


def test_maps_of_builds_that_wrote_no_hash_of_the_scene_are_skipped(tmp_path: Path) -> None:
    where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    put(tmp_path / "in/s.tif", noise(), **where)
    out = ("--out", f"{tmp_path}/maps/{{name}}.geojson")
    given = ("predict", write_model(tmp_path / "model.pt"), tmp_path / "in", "--json", *out)
    dnas(*given)
    made = tmp_path / "maps/s.geojson"
    earlier, count = re.subn(r', \\"DNAS_SCENE\\": \\"[\w:]+\\"', "", made.read_text())
    assert count == 1
    made.write_text(earlier)
    assert json.loads(dnas(*given).stdout)[0]["status"] == "skipped"


def test_a_folder_never_gets_maps_of_a_second_model_without_a_word(tmp_path: Path) -> None:
    for number in range(2):
        put(tmp_path / f"in/s{number}.tif", noise(number))
        put(tmp_path / f"more/t{number}.tif", noise(number))
    first, other = (write_model(tmp_path / f"{seed}.pt", seed=seed) for seed in (1, 2))
    out = ("--out", f"{tmp_path}/maps/", "--device", "cpu")
    dnas("predict", first, tmp_path / "in/s1.tif", *out)
    said = dnas("predict", other, tmp_path / "in", *out, code=3).stderr
    assert "s1.tif: exists and was made by another model" in said
    assert not (tmp_path / "maps/s0.tif").exists()
    assert "another model" not in dnas("predict", first, tmp_path / "in", *out).stderr
    said = dnas("predict", other, tmp_path / "more", *out).stderr
    assert said.count("maps: holds maps of another model, such as s0.tif") == 1


def test_areas_of_change_are_those_of_its_own_rows(tmp_path: Path) -> None:
    degrees = Affine(0.1, 0, 0, 0, -0.1, 70)  # rows from 70 to 63.6 degrees north
    place = Georeference(rasterio.crs.CRS.from_epsg(4326).to_wkt(), tuple(degrees)[:6])
    values = [np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)]
    values[1][:8], values[1][-8:] = 1, 2
    maps, table = [tmp_path / "old.tif", tmp_path / "new.tif"], tmp_path / "change.csv"
    for path, rows in zip(maps, values, strict=True):
        read_rows = Rows(1, 64, 64, partial(lambda a, i, j: a[None, i:j], rows))
        write_draft(path, read_rows, CLASSES, place, {})
    dnas("change", *maps, "-o", tmp_path / "c.tif", "--table", table)
    rows_of = {row["new"]: row for row in csv.DictReader(table.read_text().splitlines())}
    north, south = (float(rows_of[name]["hectares"]) for name in ("farmland", "water"))
    assert rows_of["farmland"]["pixels"] == rows_of["water"]["pixels"] == "512"
    geod = pyproj.Geod(ellps="WGS84")
    for hectares, (top, bottom) in ((north, (70, 69.2)), (south, (64.4, 63.6))):
        # Along the parallels by 640 points: polygons have geodesics as their sides.
        side = np.linspace(0, 6.4, 641)
        around = np.r_[side, side[::-1]], np.r_[np.full(641, bottom), np.full(641, top)]
        assert hectares == pytest.approx(
            abs(geod.polygon_area_perimeter(*around)[0]) / 1e4, rel=1e-4
        )


def test_a_preview_shows_red_green_and_blue_by_wavelength(tmp_path: Path) -> None:
    values = np.zeros((5, 16, 16), np.uint8)
    values[:] = np.linspace(0, 250, 16)[:, None]
    values[3] = values[3].T
    names = ["865 nm", "443 nm", "560.0 nm", "Red edge? no: 0.665 um", "490nm"]
    scene = put(tmp_path / "s.tif", values, descriptions=names)
    with open_raster(scene) as raster:
        assert raster.wavelengths == (865, 443, 560, 665, 490)
        picture = natural_colours(*raster.preview(16), raster.bands, raster.wavelengths)
    assert np.array_equal(picture[..., 0], picture[..., 1].T)
    assert np.array_equal(picture[..., 1], picture[..., 2])
