"""`dnas predict --stac`: a map that describes itself."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from dnas_cli.files import file_hash
from tests.support.command_line import dnas
from tests.support.predicting import write_scene
from tests.support.small_models import write_model

SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "schemas" / "stac"


def test_an_item_has_place_classes_checksums_and_the_item_of_the_model(
    scene: Path, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "models/model.pt")
    (tmp_path / "models/broken.json").write_text("{")
    (tmp_path / "models/other.json").write_text('{"assets": {"a": {"file:checksum": "1220"}}}')
    dnas("export", model, "--stac", tmp_path / "models/about.json")
    half_written = tmp_path / "models/.about.0123abcd.part.json"
    half_written.write_bytes((tmp_path / "models/about.json").read_bytes())
    item = _item(
        model, scene, tmp_path, "--areas", tmp_path / "a.csv", "--margin", tmp_path / "m.tif"
    )
    assert item["stac_version"] == "1.1.0"
    assert item["id"] == "map"
    properties = item["properties"]
    assert properties["proj:code"] == "EPSG:32631"
    assert properties["proj:shape"] == [150, 130]
    assert properties["proj:transform"] == [10, 0, 500_000, 0, -10, 4_000_000]
    ring = item["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    assert item["bbox"] == pytest.approx([3, 36.1312, 3.0144, 36.1447], abs=1e-3)
    area = sum(a * d - c * b for (a, b), (c, d) in pairwise(ring))
    assert area > 0  # counterclockwise
    (link,) = item["links"]
    assert (link["rel"], link["href"]) == ("derived_from", "./models/about.json")
    assets = item["assets"]
    assert set(assets) == {"map_tif", "map_gpkg", "areas", "margin"}
    classes = assets["map_tif"]["classification:classes"]
    assert [(c["value"], c["name"]) for c in classes] == [
        (0, "built-up"), (1, "farmland"), (2, "water"), (3, "unsure"), (255, "no-data"),
    ]  # fmt: skip
    for asset in assets.values():
        path = tmp_path / asset["href"]
        assert asset["file:size"] == path.stat().st_size
        assert asset["file:checksum"] == "1220" + file_hash(path).removeprefix("sha256:")


def test_an_item_can_be_moved_with_its_model(scene: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "models/model.pt")
    dnas("export", model, "--stac", tmp_path / "models/about.json")
    (tmp_path / "maps").mkdir()
    item = _item(model, scene, tmp_path / "maps")
    assert [link["href"] for link in item["links"]] == ["../models/about.json"]


def test_a_map_without_a_place_or_an_item_of_its_model_has_an_item(tmp_path: Path) -> None:
    model = write_model(tmp_path / "models/model.pt")
    item = _item(model, write_scene(tmp_path / "scene.tif"), tmp_path)
    assert item["geometry"] is None
    assert "bbox" not in item
    assert "proj:code" not in item["properties"]
    assert item["links"] == []


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the published schemas are not here")
def test_an_item_is_valid_by_the_published_schema_of_classifications(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    item = _item(models["rgb"], scene, tmp_path)
    schema = Draft7Validator(json.loads((SCHEMAS / "classification.json").read_text()))
    fault = best_match(schema.iter_errors(item))
    assert fault is None, fault
    del item["assets"]["map_tif"]["classification:classes"][0]["name"]
    assert list(schema.iter_errors(item))


def _item(model: Path, scene: Path, tmp_path: Path, *more: object) -> dict[str, Any]:
    target = tmp_path / "map.json"
    out = ("-o", tmp_path / "map.tif", "-o", tmp_path / "map.gpkg", "--unsure", 0.6)
    dnas("predict", model, scene, *out, "--stac", target, *more)
    item: dict[str, Any] = json.loads(target.read_text())
    return item
