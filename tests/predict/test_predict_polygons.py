"""Maps of `dnas predict` as polygons."""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.features import rasterize
from rasterio.transform import Affine

from dnas_cli.mapping.unfinished_map import part_folder
from tests.support.command_line import dnas
from tests.support.predicting import write_scene
from tests.support.small_models import CLASSES


def test_polygons_rasterise_back_to_the_map(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    shapely = pytest.importorskip("shapely")
    package, json_file, tiff = (tmp_path / f"map{end}" for end in (".gpkg", ".geojson", ".tif"))
    dnas("predict", models["rgb"], scene, "-o", package, "-o", json_file, "-o", tiff)
    meta, _, geometries, columns = pyogrio.read(package, layer="map")
    assert meta["crs"] == "EPSG:32631"
    assert list(meta["fields"]) == ["class", "index", "area_m2"]
    polygons = shapely.from_wkb(geometries)
    with rasterio.open(tiff) as raster:
        back = rasterize(
            list(zip(polygons, columns[1], strict=True)),
            out_shape=raster.shape, transform=raster.transform, fill=255, dtype="uint8",
        )  # fmt: skip
        assert np.array_equal(back, raster.read(1))
    assert [CLASSES[index].name for index in columns[1]] == list(columns[0])
    assert columns[2].sum() == pytest.approx(150 * 130 * 100 / 0.9996**2, rel=1e-5)
    meta, _, geometries, _ = pyogrio.read(json_file)
    west, south, east, north = shapely.total_bounds(shapely.from_wkb(geometries))
    assert meta["crs"] == "EPSG:4326"
    assert 2.9 < west < east < 3.1
    assert 36 < south < north < 36.2


@pytest.mark.parametrize("system", ["EPSG:3857", "EPSG:4326"])
def test_areas_are_those_on_the_ground(
    system: str, models: dict[str, Path], tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    # 150 x 130 pixels of 0.0001 degrees at 60 degrees north; there Mercator doubles lengths.
    place = {
        "EPSG:4326": Affine(1e-4, 0, 10, 0, -1e-4, 60),
        "EPSG:3857": Affine(11.132, 0, 1.1132e6, 0, -22.24, 8399738),
    }[system]
    scene = write_scene(tmp_path / "scene.tif", crs=system, transform=place)
    said = dnas("predict", models["rgb"], scene, "-o", tmp_path / "map.gpkg", "--json")
    areas = pyogrio.read(tmp_path / "map.gpkg", layer="map")[3][2]
    assert areas.sum() == pytest.approx(150 * 11.14 * 130 * 5.58, rel=0.01)
    in_summary = sum(item["area_km2"] for item in json.loads(said.stdout)[0]["classes"])
    assert in_summary == pytest.approx(areas.sum() / 1e6, rel=1e-3)


def test_small_polygons_are_left_out_and_borders_stay_shared_when_simplified(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    shapely = pytest.importorskip("shapely")
    out = tmp_path / "map.gpkg"
    dnas("predict", models["rgb"], scene, "-o", out, "--simplify", 25)
    geometries = shapely.from_wkb(pyogrio.read(out, layer="map")[2])
    assert shapely.coverage_is_valid(geometries)
    for more in ((), ("--simplify", 25)):
        dnas("predict", models["rgb"], scene, "-o", out, "--min-area", 5000, *more, "--overwrite")
        areas = pyogrio.read(out, layer="map")[3][2]
        assert 0 < len(areas) < len(geometries)
        assert areas.min() >= 5000


def test_a_photograph_without_georeference_gives_polygons_in_pixels_only(
    models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    photograph = tmp_path / "photograph.jpg"
    with Image.open(real_data / "dubai_mbrsc/Tile 1/images/image_part_001.jpg") as source:
        source.crop((0, 0, 200, 150)).save(photograph)
    dnas(
        "predict",
        models["rgb"],
        photograph,
        "-o",
        tmp_path / "map.gpkg",
        "-o",
        tmp_path / "map.png",
    )
    meta, _, _, columns = pyogrio.read(tmp_path / "map.gpkg", layer="map")
    assert list(meta["fields"])[2] == "area_px"
    assert columns[2].sum() == 200 * 150
    assert not (tmp_path / "map.pgw").exists()
    said = dnas("predict", models["rgb"], photograph, "-o", tmp_path / "map.geojson", code=4)
    assert "GeoJSON is always in WGS84" in said.stderr


def test_missing_libraries_are_named_before_the_work(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    said = dnas("predict", models["rgb"], scene, "-o", tmp_path / "map.gpkg", code=1)
    assert "pip install 'dnas[gis]'" in said.stderr
    assert not part_folder(tmp_path / "map.gpkg").exists()


def test_qgis_finds_colours_and_names_beside_a_raster_and_in_a_geopackage(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    tiff, package = tmp_path / "map.tif", tmp_path / "map.gpkg"
    dnas("predict", models["rgb"], scene, "-o", tiff, "-o", package)
    entries = list(ElementTree.parse(tmp_path / "map.qml").iter("paletteEntry"))
    assert [(e.get("value"), e.get("label"), e.get("color")) for e in entries] == [
        ("0", "built-up", "#ff0000"), ("1", "farmland", "#00ff00"), ("2", "water", "#0000ff"),
    ]  # fmt: skip
    with closing(sqlite3.connect(package)) as database:
        table, default, style = database.execute(
            "SELECT f_table_name, useAsDefault, styleQML FROM layer_styles"
        ).fetchone()
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert (table, default) == ("map", 1)
    root = ElementTree.fromstring(style)
    assert [e.get("value") for e in root.iter("category")] == ["built-up", "farmland", "water"]
    colours = [e.get("v") for e in root.iter("prop") if e.get("k") == "color"]
    assert colours == ["255,0,0,255", "0,255,0,255", "0,0,255,255"]
