"""The figures and files of `dnas eval`: kept, added to, replaced on request."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from dnas_cli.model.model_file import Model, save_model
from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas
from tests.support.evaluating import labelled_pixels


def test_a_run_is_scored_on_its_test_split_and_keeps_the_figures(run: Path, tiles: TileSet) -> None:
    result = dnas("eval", run, "--device", "cpu")

    assert "mIoU" in result.stdout
    figures = json.loads((run / "eval" / "test.json").read_text())
    assert figures["metrics"]["pixels"] == labelled_pixels(tiles, "test")
    assert list(figures["metrics"]["classes"]) == [item.name for item in tiles.classes]
    with (run / "eval" / "confusion.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == [item.name for item in tiles.classes]
    assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == figures["confusion"]["counts"]
    with Image.open(run / "eval" / "confusion.png") as picture:
        assert picture.format == "PNG"


def test_json_on_standard_output_equals_the_file(run: Path) -> None:
    result = dnas("eval", run, "--split", "val", "--json", "--device", "cpu")

    printed = json.loads(result.stdout)
    assert printed.pop("files") == [
        str(run / "eval" / name) for name in ("val.json", "confusion-val.csv", "confusion-val.png")
    ]
    assert printed == json.loads((run / "eval" / "val.json").read_text())


def test_references_and_cost_are_added_to_figures_that_are_there(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dnas("eval", run, "--device", "cpu")
    before = json.loads((run / "eval" / "test.json").read_text())
    monkeypatch.setattr("dnas_cli.evaluation.references._SAMPLE_PIXELS", 3000)
    monkeypatch.setattr("dnas_cli.evaluation.evaluation.evaluate_tiles", None)  # not called again
    result = dnas("eval", run, "--references", "--cost", "--device", "cpu")

    assert "majority class" in result.stdout
    assert "per pixel" in result.stdout
    assert "multiply-accumulates" in result.stdout
    after = json.loads((run / "eval" / "test.json").read_text())
    assert after["metrics"] == before["metrics"]
    assert [item["name"] for item in after["references"]] == ["majority class", "per pixel"]
    assert after["cost"]["network"]["parameters"] > 0
    assert after["cost"]["timing"]["milliseconds"] > 0


def test_figures_of_another_model_are_replaced_only_on_request(run: Path, model: Model) -> None:
    arguments = ["eval", str(run), "--device", "cpu"]
    dnas(*arguments)
    before = (run / "eval" / "test.json").read_bytes()
    with torch.no_grad():
        model.network.get_parameter("stem.0.0.weight").neg_()
    save_model(run / "model.pt", model)

    refused = dnas(*arguments, code=3)
    assert "figures of another model" in refused.stderr
    assert (run / "eval" / "test.json").read_bytes() == before

    dnas(*arguments, "--overwrite")
    assert (run / "eval" / "test.json").read_bytes() != before


def test_a_model_file_alone_is_printed_and_written_only_on_request(
    run: Path, tiles: TileSet, tmp_path: Path
) -> None:
    arguments = ["eval", str(run / "model.pt"), str(tiles.root), "--device", "cpu"]
    printed = dnas(*arguments)
    assert "mIoU" in printed.stdout
    assert not (run / "eval").exists()

    out = tmp_path / "figures"
    dnas(*arguments, "--out", out)
    assert sorted(path.name for path in out.iterdir()) == [
        "confusion.csv",
        "confusion.png",
        "test.json",
    ]


def test_pictures_of_someone_else_are_not_overwritten(
    run: Path, tiles: TileSet, tmp_path: Path
) -> None:
    (tmp_path / "confusion.png").write_text("mine")
    message = dnas("eval", run / "model.pt", tiles.root, "--out", tmp_path, code=3).stderr

    assert "confusion.png: exists already" in message
    assert (tmp_path / "confusion.png").read_text() == "mine"
