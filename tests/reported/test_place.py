"""Labels lie where they say they lie: rasters on other grids, polygons, areas of interest."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine
from rasterio.warp import transform_geom

from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.label_encoding import LabelEncoding, tile_encoding
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.placed_labels import LabelFiles
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.scenes.vector_encoding import VectorEncoding
from dnas_cli.tiles.dataset_json import open_tile_set
from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.reported_inputs import (
    INDEX,
    Array,
    class_shares,
    dataset,
    noise,
    place,
    png,
    put,
    quarters,
    scenes,
    tiles_of,
)
from tests.support.small_models import write_model

CLASSES = tuple(LandClass(name, (i, i, i)) for i, name in enumerate(("water", "forest", "town")))


def laid(image: Path, *labels: Path, encoding: LabelEncoding | None = None, **more: Any) -> Array:
    """Class indices of labels over an image of 64 x 64 pixels."""
    files = LabelFiles(labels, encoding or tile_encoding(CLASSES), **more)
    with open_raster(image) as scene, files.open_over(scene) as over:
        parts = [over.read(Window(row, 0, 16, 64))[0] for row in range(0, 64, 16)]
    return np.concatenate(parts)


def square(*boxes: tuple[float, float, float, float, str], crs: str = "EPSG:32633") -> str:
    """GeoJSON of boxes (left, bottom, right, top, crop) in UTM, written in WGS84."""
    features = []
    for left, bottom, right, top, crop in boxes:
        ring = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
        geometry = transform_geom(crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
        features.append({"type": "Feature", "properties": {"crop": crop}, "geometry": geometry})
    return json.dumps({"type": "FeatureCollection", "features": features})


def test_labels_are_paired_by_place_and_one_elsewhere_is_left_out(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX))
    put(folder / "labels/s0.tif", quarters(), **place(500_320))
    elsewhere = place(510_000) | {"crs": "EPSG:32634"}
    put(folder / "labels/s1.tif", quarters(), **elsewhere)
    south_up = {"crs": "EPSG:32633", "transform": Affine(10, 0, 520_000, 0, 10, 4_999_360)}
    put(folder / "labels/s2.tif", quarters()[::-1].copy(), **south_up)
    out = tmp_path / "tiles"
    result = dnas("tile", folder, "--out", out, "--size", 64, "--workers", 1)
    assert "labels/s1.tif: lies elsewhere than its image" in result.stderr
    assert "lies on another grid than its image and is placed" in result.stderr
    half = laid(folder / "images/s0.tif", folder / "labels/s0.tif")
    assert (half[:, :32] == IGNORE).all()
    assert np.array_equal(half[:, 32:], quarters()[:, :32])
    assert np.array_equal(laid(folder / "images/s2.tif", folder / "labels/s2.tif"), quarters())
    as_is = tiles_of(folder, "--labels-as-is")
    assert class_shares(as_is)["unlabelled"] == 0


def test_a_tenth_of_a_pixel_is_the_same_grid(tmp_path: Path) -> None:
    image = put(tmp_path / "s.tif", noise(), **place())
    near = put(tmp_path / "near.tif", quarters(), **place(500_000.9))
    assert np.array_equal(laid(image, near), quarters())


def test_a_truth_elsewhere_ends_before_the_work(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.pt")
    image = put(tmp_path / "s.tif", noise(), **place())
    truth = put(tmp_path / "truth.tif", quarters(), **place(900_000))
    out = ("--out", tmp_path / "map.tif", "--device", "cpu", "--truth", truth)
    said = dnas("predict", model, image, *out, code=4).stderr
    assert "lies elsewhere than its image" in said
    assert not (tmp_path / "map.tif").exists()


def test_one_label_serves_many_images_and_many_labels_one_image(tmp_path: Path) -> None:
    wide = np.tile(quarters(), (1, 3))
    whole = dataset(tmp_path / "whole", INDEX + "labels: cover.tif\n")
    parts = dataset(tmp_path / "parts", INDEX + 'labels: "cover/{scene}_{part}.tif"\n')
    for number in range(3):
        for folder in (whole, parts):
            put(folder / f"images/s{number}.tif", noise(number), **place(500_000 + 640 * number))
        left = place(500_000 + 640 * number)
        put(parts / f"cover/s{number}_a.tif", quarters()[:, :32], **left)
        put(parts / f"cover/s{number}_b.tif", quarters()[:, 32:], **place(500_320 + 640 * number))
    put(whole / "cover.tif", wide, **place())
    expected = {"water": 0.25, "forest": 0.25, "town": 0.5, "unlabelled": 0.0}
    assert class_shares(tiles_of(whole)) == expected
    assert class_shares(tiles_of(parts)) == expected


FIELDS = """\
classes: [wheat, maize, other]
labels:
  path: fields.geojson
  class_field: crop
  values: {triticum: wheat, zea: maize}
"""


def test_polygons_of_any_crs_are_burnt_by_window(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", FIELDS), 1)
    boxes = square(
        (500_100, 4_999_600, 500_300, 4_999_900, "triticum"),
        (500_200, 4_999_600, 500_400, 4_999_700, "zea"),
        (500_500, 4_999_500, 500_600, 4_999_600, "fallow"),
    )
    (folder / "fields.geojson").write_text(boxes)
    tiles = tiles_of(folder)
    shares = class_shares(tiles)
    assert shares["maize"] * 4096 == 20 * 10
    assert shares["wheat"] * 4096 == 20 * 30 - 10 * 10
    assert shares["other"] == 0
    assert tiles.source_encoding.vector is not None

    background = FIELDS + "  background: other\naoi: mapped.geojson\n"
    (folder / "dataset.yaml").write_text(background)
    mapped = square((500_000, 4_999_360, 500_320, 5_000_000, ""))
    (folder / "mapped.geojson").write_text(mapped)
    shares = class_shares(tiles_of(folder, "--overwrite", "--keep-empty"))
    assert shares["unlabelled"] == 0.5
    assert shares["maize"] * 4096 == 12 * 10
    assert shares["other"] * 4096 == 64 * 32 - 500 - 120


def test_flatgeobuf_is_a_layer_of_labels(tmp_path: Path) -> None:
    text = "classes: [wheat, maize]\nlabels: {path: f.fgb, class_field: crop, order: classes}\n"
    folder = scenes(dataset(tmp_path / "data", text), 1)
    wheat = (500_100, 4_999_600, 500_300, 4_999_900, "wheat")
    maize = (500_200, 4_999_600, 500_400, 4_999_700, "maize")
    (tmp_path / "f.geojson").write_text(square(wheat, maize))
    facts, _, shapes, columns = pyogrio.raw.read(tmp_path / "f.geojson")
    pyogrio.raw.write(
        folder / "f.fgb", shapes, columns, facts["fields"], geometry_type="Polygon",
        crs="EPSG:4326", driver="FlatGeobuf",
    )  # fmt: skip
    shares = class_shares(tiles_of(folder))
    assert (shares["wheat"] * 4096, shares["maize"] * 4096) == (20 * 30 - 10 * 10, 20 * 10)


def test_an_area_of_interest_is_not_for_tiles_of_lists(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX + "aoi: mapped.geojson\n"))
    (folder / "mapped.geojson").write_text(square((500_000, 4_999_360, 500_320, 5_000_000, "")))
    for number, name in enumerate(("train", "val", "test")):
        put(folder / f"labels/s{number}.tif", quarters())
        (folder / f"{name}.lst").write_text(f"images/s{number}.tif\tlabels/s{number}.tif\n")
    lists = ("tile", folder, "--out", tmp_path / "t", "--from-lists", folder)
    assert "tiles of lists are read as they are, without an `aoi`" in dnas(*lists, code=4).stderr
    assert not (tmp_path / "t").exists()


def test_other_ground_control_points_are_reported(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number in range(3):
        corners = [(row, column) for row in (0, 64) for column in (0, 64)]
        east = 700_000 if number == 0 else 500_000
        own, others = (
            [GroundControlPoint(r, c, x + 10 * c, 5e6 - 10 * r) for r, c in corners]
            for x in (500_000, east)
        )
        put(folder / f"images/s{number}.tif", noise(number), gcps=own, crs="EPSG:32633")
        put(folder / f"labels/s{number}.tif", quarters(), gcps=others, crs="EPSG:32633")
    said = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, "--workers", 1).stderr
    assert said.count("have different ground control points") == 1
    assert "1 of 3 images (images/s0.tif" in said
    assert class_shares(open_tile_set(tmp_path / "t"))["unlabelled"] == 0


def test_points_get_a_buffer_in_metres(tmp_path: Path) -> None:
    description = (
        "classes: [well, rest]\nlabels: {path: wells.geojson, buffer: 25, background: rest}\n"
    )
    folder = scenes(dataset(tmp_path / "data", description), 1)
    point = {"type": "Point", "coordinates": (500_305, 4_999_695)}
    geometry = transform_geom("EPSG:32633", "EPSG:4326", point)
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    (folder / "wells.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    # Centres within 25 m of the centre of a pixel of 10 m: 1 + 4 at 10, 4 at 14, 4 at 20, 8 at 22.
    assert class_shares(tiles_of(folder))["well"] * 4096 == 21


def test_features_are_burnt_in_a_stated_order(tmp_path: Path) -> None:
    small = (500_200, 4_999_700, 500_300, 4_999_800, "maize", 1)
    large = (500_000, 4_999_360, 500_640, 5_000_000, "wheat", 2)
    folder = scenes(dataset(tmp_path / "data", ""), 1)
    path = folder / "fields.geojson"
    path.write_text(square(small[:5], large[:5]))
    layer = json.loads(path.read_text())
    for feature, box in zip(layer["features"], (small, large), strict=True):
        feature["properties"]["rank"] = box[5]
    path.write_text(json.dumps(layer))
    maize = {"file": 0, "area": 100, "rank": 0, "-rank": 100, "classes": 100}
    for order, pixels in maize.items():
        said = "" if order == "file" else f", order: {order}"
        (folder / "dataset.yaml").write_text(
            f"classes: [wheat, maize]\nlabels: {{path: fields.geojson, class_field: crop{said}}}\n"
        )
        assert class_shares(tiles_of(folder, "--overwrite"))["maize"] * 4096 == pixels


def test_a_map_of_polygons_with_its_styles_is_a_label(tmp_path: Path) -> None:
    text = "classes: [built-up, farmland, water]\nlabels: {path: map.gpkg, class_field: class}\n"
    folder = scenes(dataset(tmp_path / "data", text), 1)
    model = write_model(tmp_path / "model.pt")
    maps = ("--out", folder / "map.gpkg", "--out", tmp_path / "map.tif", "--device", "cpu")
    dnas("predict", model, folder / "images/s0.tif", *maps)
    assert len(pyogrio.list_layers(folder / "map.gpkg")) == 2
    shares = class_shares(tiles_of(folder))
    mapped = read(tmp_path / "map.tif")
    for index, name in enumerate(("built-up", "farmland", "water")):
        assert shares[name] * 4096 == (mapped == index).sum()
    other = write_model(tmp_path / "other.pt", seed=1)
    said = dnas("predict", other, folder / "images/s0.tif", *maps[:2], code=3).stderr
    assert "exists" in said


@pytest.mark.parametrize("missing", ["class_field: kind", "layer: none", "path: gone.geojson"])
def test_what_a_layer_lacks_is_named(missing: str, tmp_path: Path) -> None:
    key, value = missing.split(": ")
    said = {"path": "fields.geojson", "class_field": "crop"} | {key: value}
    text = "classes: [wheat, maize]\nlabels: " + json.dumps(said) + "\n"
    folder = scenes(dataset(tmp_path / "data", text), 1)
    (folder / "fields.geojson").write_text(square((500_100, 4_999_600, 500_300, 4_999_900, "x")))
    said_of = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, code=4).stderr
    assert value.removesuffix(".geojson") in said_of


def test_a_label_with_a_world_file_lies_in_the_crs_of_its_image(tmp_path: Path) -> None:
    image = put(tmp_path / "s.tif", noise(), **place())
    label = png(tmp_path / "label.png", quarters())
    label.with_suffix(".pgw").write_text("10\n0\n0\n-10\n500325\n4999995\n")
    expected = np.full((64, 64), IGNORE, np.uint8)
    expected[:, 32:] = quarters()[:, :32]
    assert np.array_equal(laid(image, label), expected)
    label.with_suffix(".pgw").write_text("1\n0\n0\n-1\n0.5\n-0.5\n")  # of pixels, not of places
    assert np.array_equal(laid(image, label), quarters())


def test_listed_labels_elsewhere_are_left_out_and_named(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX))
    for number in range(3):
        put(folder / f"labels/s{number}.tif", quarters(), **place(500_320 + 10_000 * number))
    for number, name in enumerate(("train", "val", "test")):
        (folder / f"{name}.lst").write_text(f"images/s{number}.tif\tlabels/s{number}.tif\n")
    lists = ("tile", folder, "--out", tmp_path / "t", "--from-lists", folder)
    assert "lies on another grid than its image" in dnas(*lists, code=4).stderr
    dnas(*lists, "--labels-as-is")
    assert "cut already" in dnas(*lists, "--resample", 20, "--overwrite", code=2).stderr


def test_a_layer_says_what_it_does_not_label_and_where_it_lies(tmp_path: Path) -> None:
    field, values = "class_field: crop", "values: {ble\u0301: wheat}"  # two letters, one sign
    text = f"classes: [wheat, maize]\nlabels: {{path: f.geojson, {field}, {values}}}\n"
    folder = scenes(dataset(tmp_path / "data", text), 1)
    west, east = (500_000, 4_999_680, 500_320, 5_000_000), (500_320, 4_999_680, 500_640, 5_000_000)
    (folder / "f.geojson").write_text(square((*west, "bl\u00e9"), (*east, "grass")))
    out = ("--out", tmp_path / "t", "--size", 32, "--workers", 1, "--keep-empty")
    said = dnas("tile", folder, *out).stderr
    assert "`values` does not list their crop: grass" in said
    assert class_shares(open_tile_set(tmp_path / "t"))["wheat"] == 0.25
    (folder / "f.geojson").write_text(square((0, 4_999_680, 100, 5_000_000, "bl\u00e9")))
    (folder / "dataset.yaml").write_text(text.replace("values", "background: maize, values"))
    said = dnas("tile", folder, *out, "--overwrite", code=4).stderr
    assert "lies elsewhere than its image" in said
    (folder / "f.geojson").write_text(square())
    dnas("tile", folder, *out, "--overwrite")
    assert class_shares(open_tile_set(tmp_path / "t"))["maize"] == 1


@pytest.mark.skipif(shutil.which("gdalwarp") is None, reason="the programs of GDAL are missing")
def test_labels_are_laid_as_gdals_own_programs_lay_them(tmp_path: Path) -> None:
    image = put(tmp_path / "s.tif", noise(), **place())
    label = put(tmp_path / "label.tif", np.asarray(noise(1)[0] % 3, np.uint8), **place())
    degrees, back = tmp_path / "degrees.tif", tmp_path / "back.tif"
    near = ("gdalwarp", "-q", "-r", "near", "-dstnodata", "255")
    grid = ("-te", "500000", "4999360", "500640", "5000000", "-ts", "64", "64")
    subprocess.run([*near, "-t_srs", "EPSG:4326", label, degrees], check=True)
    subprocess.run([*near, "-et", "0", "-t_srs", "EPSG:32633", *grid, degrees, back], check=True)
    assert np.array_equal(laid(image, degrees), read(back))
    fields, burnt = tmp_path / "fields.geojson", tmp_path / "burnt.tif"
    fields.write_text(square((500_103, 4_999_611, 500_327, 4_999_902, "forest")))
    for touched, more in ((False, ()), (True, ("-at",))):
        in_utm = ("gdal_rasterize", "-q", *more, "-burn", "1", "-init", "255", "-ot", "Byte", *grid)
        utm = tmp_path / f"utm{touched}.geojson"
        subprocess.run(["ogr2ogr", "-t_srs", "EPSG:32633", utm, fields], check=True)
        subprocess.run([*in_utm, utm, burnt], check=True)
        vector = VectorEncoding(class_field="crop", all_touched=touched)
        encoding = replace(tile_encoding(CLASSES), vector=vector)
        assert np.array_equal(laid(image, fields, encoding=encoding), read(burnt))
        burnt.unlink()
