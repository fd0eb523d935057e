"""`dnas suggest`: which tiles to label next, and how they were scored."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.crs import CRS

import dnas_cli
from dnas_cli.evaluation.tile_choice import choose, rarity_of, score_of
from dnas_cli.model.model_file import load_model
from dnas_cli.scenes.opening import without_georeference
from tests.support.command_line import dnas
from tests.support.predicting import write_scene
from tests.support.small_models import write_model

COLUMNS = ["rank", "scene", "row", "column", "entropy", "rarity", "distance", "score"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model.pt")


def test_scores_and_choice_are_those_of_a_case_by_hand() -> None:
    shares = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])  # 0.75 and 0.25 in all
    rarity = rarity_of(shares)
    assert rarity == pytest.approx([2 / 3, 2 / 3, 4 / 3, 4 / 3])
    score = score_of(np.array([0.1, 0.3, 0.2, 0.2]), rarity)
    assert score == pytest.approx([0.4082, 1.2247, 1.1547, 1.1547], abs=1e-4)
    # Mean 0 and deviation 1 once a second feature is divided by 10: a square of side 2.
    features = np.array([[1, -10], [1, 10], [-1, 10], [-1, -10]]) + 7.0
    chosen = choose(score, features, 9)
    # From tile 1 the values are 0.82, -, 2.31, 3.27; then 0.82, -, 2.31, -.
    assert [item.index for item in chosen] == [1, 3, 2, 0]
    assert chosen[0].distance is None
    distances = [item.distance for item in chosen[1:]]
    assert distances == pytest.approx([math.sqrt(8), 2, 2], rel=1e-5)
    assert choose(score, features, 2) == chosen[:2]


def test_equal_and_certain_tiles_are_chosen_in_their_order() -> None:
    score = score_of(np.zeros(3), rarity_of(np.array([[1.0, 0.0]] * 3)))
    assert [item.index for item in choose(score, np.ones((3, 2)), 3)] == [0, 1, 2]


def test_polygons_have_rank_place_and_scores(model: Path, tmp_path: Path) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    shapely = pytest.importorskip("shapely")
    scene = write_scene(tmp_path / "scene.tif", crs="EPSG:32631")
    command = ("suggest", model, scene, "--tiles", 4)
    found = json.loads(dnas(*command, "-o", tmp_path / "todo.gpkg", "--json").stdout)
    assert found["looked_at"] == 9  # rows 0, 64, 86 by columns 0, 64, 66
    assert [tile["rank"] for tile in found["tiles"]] == [1, 2, 3, 4]
    meta, _, shapes, values = pyogrio.read(tmp_path / "todo.gpkg", layer="todo")
    assert list(meta["fields"]) == COLUMNS
    assert CRS.from_user_input(meta["crs"]).to_epsg() == 32631
    stored = dict(zip(COLUMNS, values, strict=True))
    for number, tile in enumerate(found["tiles"]):
        assert stored["scene"][number] == str(scene)
        x, y = 500_000 + 10 * tile["column"], 4_000_000 - 10 * tile["row"]
        bounds = shapely.from_wkb(shapes[number]).bounds
        assert bounds == pytest.approx((x, y - 640, x + 640, y))
        for name in ("rank", "row", "column", "entropy", "rarity", "score"):
            assert stored[name][number] == pytest.approx(tile[name])
    assert found["tiles"][0]["distance"] is None
    assert math.isnan(stored["distance"][0])
    assert stored["distance"][1:].min() > 0
    assert found["tiles"][0]["score"] == max(stored["score"])

    other = write_scene(tmp_path / "other.tif", seed=1, crs="EPSG:32632")
    dnas("suggest", model, scene, other, "--tiles", 18, "-o", tmp_path / "both.gpkg")
    meta, _, shapes, values = pyogrio.read(tmp_path / "both.gpkg", layer="both")
    assert CRS.from_user_input(meta["crs"]).to_epsg() == 4326
    west = shapely.bounds(shapely.from_wkb(shapes))[:, 0]
    assert [round(x) for x in west] == [3 if name == str(scene) else 9 for name in values[1]]


def test_scenes_without_a_place_give_a_table(model: Path, tmp_path: Path) -> None:
    scene, out = write_scene(tmp_path / "scene.tif"), tmp_path / "todo.csv"
    assert "todo.csv" in dnas("suggest", model, scene, "-o", tmp_path / "a.gpkg", code=4).stderr
    said = dnas("suggest", model, scene, "-o", out)
    assert "warning" in said.stderr
    assert "9 tiles" in said.stderr  # 50 are asked for
    assert "9 of 9 tiles" in said.stdout
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == COLUMNS
    assert [int(row["rank"]) for row in rows] == list(range(1, 10))
    assert len({(row["row"], row["column"]) for row in rows}) == 9
    assert rows[0]["distance"] == ""
    assert sum(float(row["rarity"]) for row in rows) == pytest.approx(9)
    first = out.read_bytes()
    assert "--overwrite" in dnas("suggest", model, scene, "-o", out, code=3).stderr
    dnas("suggest", model, scene, "-o", out, "--overwrite")
    assert out.read_bytes() == first
    assert "must be" in dnas("suggest", model, scene, "-o", tmp_path / "a.txt", code=2).stderr
    assert {path.name for path in tmp_path.iterdir()} == {scene.name, out.name}


def test_pixels_without_data_do_not_count(model: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(1, 255, (3, 64, 128)).astype(np.uint8)
    values[:, :16, :64] = 0  # a quarter of the first tile
    values[:, :, 90:] = 0  # more than half of the second one
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": 64, "width": 128}
    with without_georeference(), rasterio.open(tmp_path / "scene.tif", "w", **profile) as raster:
        raster.write(values)
    out = tmp_path / "todo.csv"
    found = dnas_cli.suggest(model, tmp_path / "scene.tif", out, tiles=1, nodata=0, device="cpu")
    assert [(tile.row, tile.column) for tile in found.tiles] == [(0, 0)]
    assert found.looked_at == 1
    loaded = load_model(model, torch.device("cpu"))
    valid = values[0, :, :64] != 0
    image = loaded.facts.normalisation.apply(values[..., :64], valid)
    with torch.inference_mode():
        shares = loaded.network(torch.from_numpy(image)[None]).softmax(1)[0].numpy()
    entropy = -(shares * np.log(shares)).sum(0) / np.log(len(shares))
    assert found.tiles[0].entropy == pytest.approx(float(entropy[valid].mean()), rel=1e-5)
    assert found.tiles[0].entropy != pytest.approx(float(entropy.mean()), rel=1e-3)


def test_a_run_stands_for_its_model(model: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    run, scene = tmp_path / "run", write_scene(tmp_path / "scene.tif")
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles)
    command = ("suggest", run, scene, "-o", tmp_path / "todo.csv", "--tiles", 2)
    assert "no model yet" in dnas(*command, code=4).stderr
    (run / "model.pt").write_bytes(model.read_bytes())
    assert "2 of 9 tiles" in dnas(*command).stdout
