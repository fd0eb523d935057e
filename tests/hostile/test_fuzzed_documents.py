"""Anything in the place of a document is read or refused."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnas_cli.datasets.description import parse_description
from dnas_cli.errors import DataError, DnasError
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.json_files import parse_json
from dnas_cli.release1.codings import read_release1
from dnas_cli.run.manifest import Manifest
from dnas_cli.run.rows import read_rows
from dnas_cli.run.settings import RetrainSettings, SearchSettings
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    first_space,
    second_space,
)
from dnas_cli.tiles.lists import read_list
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.yaml_files import parse_yaml
from tests.support.fuzzing import changed, plain, quickly
from tests.support.small_codings import ARCHITECTURE, CONNECTIONS, PATH

MANIFEST = {
    "schema": "dnas/run",
    "version": 1,
    "dnas": "1",
    "created": "2026-01-01T00:00:00+00:00",
    "tile_set": {"path": "../tiles", "fingerprint": "sha256:0"},
    "network": {"layers": 3, "width": 4},
    "lineage": {"parent": "../a", "taken_over": "path", "created": "2026"},
    "stages": {"stage1": {"phase": "finished", "settings": {"epochs": 2}, "epochs_done": 2}},
}
ROW = {"epoch": 0, "loss": 1.0, "val": {"mean_iou": 0.5, "iou": [0.5, None]}, "seconds": 1.0}
DESCRIPTION = {
    "name": "own",
    "images": "images/{scene}.tif",
    "labels": "labels/{scene}.png",
    "bands": ["red", "green"],
    "ignore": [[0, 0, 0]],
    "classes": {"water": [0, 0, 255], "land": "#00ff00"},
    "normalisation": {"scale": 1.0, "mean": [0.0, 0.0], "std": [1.0, 1.0]},
}


@quickly
@given(st.one_of(changed(MANIFEST), plain))
def test_any_manifest_is_read_or_refused(value: Any) -> None:
    try:
        manifest = Manifest.from_json(value, "run.json")
    except DataError:
        return
    assert Manifest.from_json(manifest.to_json(), "again") == manifest


@quickly
@given(st.data())
def test_any_coding_is_read_or_refused(data: st.DataObject) -> None:
    kinds = [first_space(4), second_space(PATH), PATH, CONNECTIONS, ARCHITECTURE]
    coding = data.draw(st.sampled_from(kinds))
    document = data.draw(st.one_of(changed(coding.document()), plain))
    classes: list[type[Coding]] = [SearchSpace, PathCoding, ConnectionCoding, ArchitectureCoding]
    kind = data.draw(st.sampled_from(classes))
    try:
        read = kind.from_document(document, "coding.json")
    except DataError:
        return
    assert read.body() == kind.from_body(read.body(), None).body()


@quickly
@given(st.one_of(changed(ROW), plain, st.text()))
def test_any_history_is_read_or_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "history.jsonl"
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        rows = read_rows(path)
    except DataError:
        return
    assert all(row["epoch"] >= 0 for row in rows)


@quickly
@given(st.one_of(changed(DESCRIPTION), plain))
def test_any_description_is_read_or_refused(value: Any) -> None:
    try:
        parse_description(json.dumps(value), "own.yaml", "own")  # JSON is YAML
    except DataError:
        return


@quickly
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_json_and_yaml_or_refused(text: str) -> None:
    for parse in (parse_json, parse_yaml):
        try:
            parse(text, "file")
        except DataError:
            continue


@quickly
@given(st.text(st.sampled_from("ab/.\\\t \n:\x00é~"), max_size=40))
def test_any_list_stays_below_its_folder(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.lst"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        refs = read_list(path)
    except DataError:
        return
    for ref in refs:
        for name in (ref.image, ref.label):
            inside = Path(os.path.normpath(tmp_path / name))
            assert inside.is_relative_to(tmp_path)


@quickly
@given(st.dictionaries(st.sampled_from(["epochs", "seed", "loss", "momentum", "crop"]), plain))
def test_any_settings_are_taken_or_refused(values: dict[str, Any]) -> None:
    for kind in (SearchSettings, RetrainSettings):
        try:
            SettingsChoice("paper", None, values).resolve(kind, {})
        except DnasError:
            continue


@quickly
@given(
    st.sampled_from(["<i8", "<i4", "<f4", "|O", "|b1", "<c8", "<U3"]),
    st.lists(st.integers(0, 5), max_size=4),
    st.integers(-1, 9),
)
def test_any_array_is_a_coding_or_refused(
    tmp_path: Path, dtype: str, shape: list[int], fill: int
) -> None:
    paths = (tmp_path / "a.npy", tmp_path / "b.npy")
    for path in paths:
        np.save(path, np.full(shape, fill).astype(dtype), allow_pickle=True)
    with pytest.raises(DataError):
        read_release1(*paths)


@quickly
@given(st.data())
def test_any_evaluation_is_read_or_refused(data: st.DataObject) -> None:
    document = {
        "schema": "dnas/evaluation", "version": 1, "references": [], "cost": None,
        "subject": {"model": "m", "model_hash": "h", "data": "d", "fingerprint": "f",
                    "split": "test", "items": 3},
        "classes": [{"name": "a", "colour": [1, 2, 3]}],
        "confusion": {"counts": [[5]], "unpredicted": [0]},
    }  # fmt: skip
    try:
        Evaluation.from_json(data.draw(changed(document)), "test.json")
    except DataError:
        return
