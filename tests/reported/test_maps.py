"""Maps: their areas on the ground, and which of them are taken for done."""

import json
import re
from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
from rasterio.transform import Affine

from tests.support.command_line import dnas
from tests.support.reported_inputs import noise, put
from tests.support.small_models import write_model

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
    assert "is no length" in dnas(*given, "--simplify", "ten", code=2).stderr


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
