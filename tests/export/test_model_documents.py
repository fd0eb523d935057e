"""`dnas export --card` and `--stac`: a model that describes itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource

from dnas_cli.evaluation.evaluation import Evaluation, Subject
from dnas_cli.evaluation.scenes import SceneScore
from dnas_cli.files import file_hash
from dnas_cli.json_files import write_json
from dnas_cli.metrics import ConfusionMatrix
from tests.support.command_line import dnas
from tests.support.small_models import CLASSES, write_model

SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "schemas" / "stac"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.pt")


def test_an_item_holds_what_a_catalogue_needs(model: Path, tmp_path: Path) -> None:
    item = _item(model, tmp_path, "--onnx", tmp_path / "model.onnx", "--licence", "CC0-1.0")
    assert item["stac_version"] == "1.1.0"
    assert item["geometry"] is None
    properties = item["properties"]
    assert properties["license"] == "CC0-1.0"
    assert [band["name"] for band in properties["bands"]] == ["red", "green", "blue"]
    assert properties["mlm:tasks"] == ["semantic-segmentation"]
    classes = properties["mlm:output"][0]["classification:classes"]
    assert [(c["value"], c["name"], c["color_hint"]) for c in classes] == [
        (0, "built-up", "FF0000"), (1, "farmland", "00FF00"), (2, "water", "0000FF"),
    ]  # fmt: skip
    assert {key: asset["href"] for key, asset in item["assets"].items()} == {
        "model": "./model.pt", "onnx": "./model.onnx",
    }  # fmt: skip
    digest = file_hash(model).removeprefix("sha256:")
    assert item["assets"]["model"]["file:checksum"] == f"1220{digest}"


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the published schemas are not here")
def test_an_item_is_valid_by_the_published_schemas(model: Path, tmp_path: Path) -> None:
    item = _item(model, tmp_path, "--resolution", 2)
    documents = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        (document["$id"].rstrip("#"), Resource.from_contents(document)) for document in documents
    )
    mlm = next(document for document in documents if "/mlm/" in document["$id"])
    validator = Draft7Validator(mlm, registry=registry)
    fault = best_match(validator.iter_errors(item))
    assert fault is None, fault
    del item["properties"]["mlm:input"]
    assert list(validator.iter_errors(item))


def test_a_card_says_what_the_model_is_and_that_it_was_not_evaluated(
    model: Path, tmp_path: Path
) -> None:
    card = _card(model, tmp_path, "--licence", "CC-BY-4.0", "--resolution", 0.5)
    assert card.startswith("# model.pt\n")
    assert "built-up, farmland, water" in card
    assert "ground resolution of 0.5 m" in card
    assert "was not evaluated" in card
    assert "CC-BY-4.0" in card
    assert file_hash(model) in card


def test_a_card_has_the_figures_of_this_model_alone(model: Path, tmp_path: Path) -> None:
    matrix = ConfusionMatrix(len(CLASSES))
    matrix.counts += [[90, 10, 0], [20, 70, 10], [0, 0, 100]]
    subject = Subject("model.pt", file_hash(model), "tiles", "", "test", 4)
    figures = tmp_path / "test.json"
    write_json(figures, Evaluation(subject, CLASSES, matrix).to_json())
    card = _card(model, tmp_path, "--figures", figures)
    assert "| built-up | 0.750 | 0.857 | 0.818 | 0.900 |" in card
    assert "Without intervals" in card
    worse, whole = ConfusionMatrix(len(CLASSES)), ConfusionMatrix(len(CLASSES))
    worse.counts += [[50, 50, 0], [20, 70, 10], [0, 0, 100]]
    whole.counts += matrix.counts + worse.counts
    scenes = tuple(
        SceneScore(name, f"{name}.tif", f"{name}.png", 10, 30, own)
        for name, own in (("a", matrix), ("b", worse))
    )
    write_json(figures, Evaluation(subject, CLASSES, whole, scenes=scenes).to_json())
    card = _card(model, tmp_path, "--figures", figures)
    assert "| built-up | 0.583 | 0.737 | 0.778 | 0.700 | 0.417 to 0.750 |" in card
    other = Subject("model.pt", "sha256:0", "tiles", "", "test", 4)
    write_json(figures, Evaluation(other, CLASSES, matrix).to_json())
    out = tmp_path / "refused.md"
    message = dnas("export", model, "--card", out, "--figures", figures, code=4).stderr
    assert "another model" in message
    assert not out.exists()


def _item(model: Path, tmp_path: Path, *more: object) -> dict[str, Any]:
    out = tmp_path / "model.json"
    dnas("export", model, "--stac", out, *more)
    item: dict[str, Any] = json.loads(out.read_text())
    return item


def _card(model: Path, tmp_path: Path, *more: object) -> str:
    out = tmp_path / "card.md"
    dnas("export", model, "--card", out, "--overwrite", *more)
    return out.read_text()
