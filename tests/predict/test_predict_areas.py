"""`dnas predict --areas`: shares and hectares of classes, of zones, and adjusted for error."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom

from dnas_cli.errors import DataError
from dnas_cli.mapping.areas import Counted, write_areas
from dnas_cli.mapping.error_matrix import read_error_matrix
from dnas_cli.scenes.palette import LandClass
from tests.support.command_line import dnas
from tests.support.predicting import read, write_scene

PIXEL = 100 / 0.9996**2 / 1e4  # hectares, of 10 m in the middle of a UTM zone


def test_a_table_holds_pixels_shares_and_hectares_of_the_map_and_of_zones(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    north = _box(500_100, 3_999_500, 500_900, 3_999_900)
    middle = _box(500_000, 3_999_300, 502_000, 3_999_600)  # beyond the scene, and over `north`
    island = _box(500_200, 3_998_600, 500_400, 3_998_800)
    far = _box(600_000, 3_999_000, 600_100, 3_999_100)
    names = ["north", "=middle", "north", "far"]
    zones = _zones(tmp_path / "zones.gpkg", names, [north, middle, island, far])
    out, table = tmp_path / "map.tif", tmp_path / "areas.csv"
    arguments = (models["rgb"], scene, "-o", out, "--areas", table, "--zones", zones)
    (result,) = json.loads(dnas("predict", *arguments, "--unsure", 0.6, "--json").stdout)
    values = read(out)
    rows = _read(table)
    assert list(rows) == ["whole map", "north", "'=middle", "far"]
    assert list(rows["north"]) == ["built-up", "farmland", "water", "unsure"]
    for item in result["classes"]:
        row = rows["whole map"][item["name"]]
        assert int(row["pixels"]) == item["pixels"]
        assert float(row["share"]) == pytest.approx(item["share"], abs=1e-6)
        assert float(row["hectares"]) == pytest.approx(100 * item["area_km2"], abs=1e-4)
    with rasterio.open(out) as raster:
        for name, shapes in (("north", [north, island]), ("'=middle", [middle])):
            inside = geometry_mask(shapes, raster.shape, raster.transform, invert=True)
            for index, row in enumerate(rows[name].values()):
                pixels = np.count_nonzero(values[inside] == index)
                assert int(row["pixels"]) == pixels
                assert float(row["share"]) == pytest.approx(pixels / inside.sum(), abs=1e-6)
                assert float(row["hectares"]) == pytest.approx(pixels * PIXEL, rel=1e-4)
    assert {row["pixels"] for row in rows["far"].values()} == {"0"}


def test_zones_are_named_by_the_attribute_that_is_asked_for(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    box = _box(500_100, 3_999_500, 500_900, 3_999_900)
    zones = _zones(tmp_path / "zones.gpkg", ["a", "b"], [box, box])
    arguments = ("predict", models["rgb"], scene, "-o", tmp_path / "map.tif", "--zones", zones)
    assert "Give --areas FILE.csv" in dnas(*arguments, code=2).stderr
    table = ("--areas", tmp_path / "areas.csv")
    assert "no attribute 'id'" in dnas(*arguments, *table, "--zone-field", "id", code=4).stderr
    dnas(*arguments, *table, "--zone-field", "code")
    assert list(_read(tmp_path / "areas.csv")) == ["whole map", "1", "2"]


def test_a_map_without_a_place_has_pixels_and_shares_alone(
    models: dict[str, Path], tmp_path: Path
) -> None:
    scene = write_scene(tmp_path / "scene.tif")
    table = tmp_path / "areas.csv"
    dnas("predict", models["rgb"], scene, "-o", tmp_path / "map.tif", "--areas", table)
    rows = _read(table)["whole map"].values()
    assert {row["hectares"] for row in rows} == {""}
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1, abs=1e-5)


def test_the_published_example_of_adjusted_areas(tmp_path: Path) -> None:
    # Olofsson et al. 2014, tables 8 and 9 and section 5.2.
    names = ["deforestation", "forest gain", "stable forest", "stable non-forest"]
    mapped = [200_000, 150_000, 3_200_000, 6_450_000]  # pixels of 30 m
    counts = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
    table: list[list[object]] = [
        ["map", *names],
        *([name, *row] for name, row in zip(names, counts, strict=True)),
    ]
    turned: list[list[object]] = [list(row) for row in zip(*table, strict=True)]
    turned[0][0] = "reference"
    areas = np.zeros(256)
    areas[:4] = np.array(mapped) * 900.0
    counted = Counted("whole map", (areas / 900).astype(np.int64), areas)
    classes = [LandClass(name, (0, 0, 0)) for name in names]
    for content in (table, turned):
        path = tmp_path / "sample.csv"
        path.write_text("\ufeff" + "\n".join(",".join(map(str, row)) for row in content))
        write_areas(tmp_path / "areas.csv", [counted], classes, read_error_matrix(path, names))
        rows = _read(tmp_path / "areas.csv")["whole map"]
        found = {
            name: (round(float(row["adjusted_hectares"])), round(float(row["ci95_hectares"])))
            for name, row in rows.items()
        }
        assert found == {
            "deforestation": (21_158, 6_158),
            "forest gain": (11_686, 3_756),
            "stable forest": (285_770, 15_510),
            "stable non-forest": (581_386, 16_282),
        }
        assert float(rows["deforestation"]["hectares"]) == 18_000
        assert float(rows["deforestation"]["ci95_share"]) == pytest.approx(0.0068, abs=5e-5)


def test_a_sample_adjusts_the_areas_of_the_whole_map(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    sample, table = tmp_path / "sample.csv", tmp_path / "areas.csv"
    sample.write_text("map,built-up,farmland\nbuilt-up,18,2\nfarmland,0,30\nwater,5,5\n")
    zones = _zones(tmp_path / "z.gpkg", ["a"], [_box(500_100, 3_999_500, 500_900, 3_999_900)])
    arguments = ("predict", models["rgb"], scene, "-o", tmp_path / "map.tif", "--areas", table)
    dnas(*arguments, "--error-matrix", sample, "--zones", zones)
    rows = _read(table)
    shares = [float(row["share"]) for row in rows["whole map"].values()]
    built = rows["whole map"]["built-up"]
    assert float(built["adjusted_share"]) == pytest.approx(
        shares[0] * 0.9 + shares[2] * 0.5, abs=1e-5
    )
    total = sum(float(row["hectares"]) for row in rows["whole map"].values())
    assert float(built["adjusted_hectares"]) == pytest.approx(
        float(built["adjusted_share"]) * total, rel=1e-4
    )
    assert rows["whole map"]["water"]["adjusted_hectares"] == ""  # the sample never found it
    assert rows["a"]["built-up"]["adjusted_hectares"] == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("label,built-up\nbuilt-up,1\n", "first cell"),
        ("map,built-up\nbuilt-up,1\n", "has 1 units"),
        ("map,built-up\nbuilt-up,2\n", "has 0 units"),
        ("map,forest\nbuilt-up,2\n", "no class"),
        ("map,built-up\nbuilt-up,2.5\n", "no count"),
        ("map,built-up\nbuilt-up,-2\n", "no count"),
        ("map,built-up\nbuilt-up,2,3\n", "other lengths"),
        ("map,built-up,built-up\nbuilt-up,2,3\n", "twice"),
        ("", "first cell"),
    ],
)
def test_a_sample_that_cannot_adjust_areas_is_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(content)
    mapped = {"built-up": 0.5, "farmland": 0.5, "water": 0.0}
    with pytest.raises(DataError, match=message):
        read_error_matrix(path, list(mapped)).adjusted_shares(mapped)


def _box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return {"type": "Polygon", "coordinates": [ring]}


def _zones(path: Path, names: list[str], shapes: list[dict[str, Any]]) -> Path:
    pyogrio = pytest.importorskip("pyogrio.raw")
    shapely = pytest.importorskip("shapely")
    placed = [transform_geom("EPSG:32631", "EPSG:4326", shape) for shape in shapes]
    outlines = [shapely.to_wkb(shapely.geometry.shape(shape)) for shape in placed]
    pyogrio.write(
        path, geometry=np.array(outlines, np.object_),
        field_data=[np.arange(1, len(names) + 1), np.array(names, np.object_)],
        fields=["code", "name"], geometry_type="Polygon", crs="EPSG:4326", driver="GPKG",
    )  # fmt: skip
    return path


def _read(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return the rows of a table by zone and class."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for row in csv.DictReader(path.read_text().splitlines()):
        rows.setdefault(row["zone"], {})[row["class"]] = row
    return rows
