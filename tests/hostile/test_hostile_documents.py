"""JSON and YAML that are absurd, too deep, too large or mean harm."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dnas_cli.json_files import content_hash
from tests.support.command_line import dnas
from tests.support.small_codings import ARCHITECTURE

DEEP = "[" * 1_000_000
RATHER_DEEP = '{"a":' * 500 + "1" + "}" * 500


@pytest.mark.parametrize("text", [DEEP, RATHER_DEEP, "[" * 900 + "]" * 900])
@pytest.mark.parametrize(
    "name", ["run.json", "coding/stage1.json", "coding/path.json", "search/stage1/logits.jsonl"]
)
def test_json_nested_a_million_deep_is_refused(run: Path, name: str, text: str) -> None:
    (run / name).write_text(text)
    dnas(*(("status", run) if name == "run.json" else ("decode", run, "--stage", 1)), code=4)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network", {"layers": 10**9, "width": 4}),
        ("network", {"layers": 3, "width": 10**9}),
        ("network", {"layers": "3", "width": 4}),
        ("network", {"layers": 3, "width": 5}),
        ("tile_set", {"path": "\0", "fingerprint": "x"}),
        ("tile_set", {"path": "x" * 5000, "fingerprint": "x"}),
        ("stages", {"stage9": {"phase": "finished"}}),
        ("stages", {"stage1": {"phase": "finished", "epochs_done": -1}}),
        ("lineage", {"parent": 3}),
        ("stages", {"stage1": {"phase": "finished", "colour": "red"}}),
        ("tile_set", {"path": "x", "fingerprint": "x", "colour": "red"}),
    ],
)
def test_absurd_values_in_a_manifest_are_refused(run: Path, key: str, value: Any) -> None:
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, key: value}))
    said = dnas("status", run, code=4).stderr
    assert "not a valid manifest" in said
    assert bool(re.search(r"unknown key \S*colour", said)) == ("colour" in str(value))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("epochs", "abc", "epochs 'abc' is not a whole number"),
        ("epochs", None, "stages.stage1.settings.epochs is missing"),
        ("seed", None, "stages.stage1.settings.seed is missing"),
        ("batch", -5, "batch must be at least 1, not -5"),
        ("shards", 3, "must be a multiple of shards (3)"),
        ("loss", "entropy", "Did you mean cross-entropy?"),
        ("epoch", 3, "unknown key stages.stage1.settings.epoch. Did you mean epochs?"),
    ],
)
def test_settings_that_no_stage_can_have_are_refused_where_they_are_recorded(
    run: Path, key: str, value: Any, said: str
) -> None:
    manifest = json.loads((run / "run.json").read_text())
    settings = {**manifest["stages"]["stage1"]["settings"], key: value}
    manifest["stages"]["stage1"]["settings"] = {
        name: value for name, value in settings.items() if value is not None
    }
    (run / "run.json").write_text(json.dumps(manifest))
    for command in (("status", run), ("search", run, "--stage", 1, "--extend", 1)):
        message = " ".join(dnas(*command, code=4).stderr.split())
        assert "run.json: is not a valid manifest" in message
        assert said in message


@pytest.mark.parametrize(
    ("stage", "values", "said"),
    [
        ("", {"batch": "two"}, "settings.all.values.batch 'two' is not a whole number"),
        ("stage2", {"warmup": 7}, "settings.stages.stage2.values.warmup must be below 1"),
        ("retrain", {"warmup": 0.5}, "unknown key settings.stages.retrain.values.warmup"),
    ],
)
def test_settings_that_a_run_cannot_have_been_given_are_refused(
    run: Path, stage: str, values: dict[str, Any], said: str
) -> None:
    manifest, given = json.loads((run / "run.json").read_text()), {"values": values}
    manifest["settings"] = {"stages": {stage: given}} if stage else {"all": given}
    (run / "run.json").write_text(json.dumps(manifest))
    assert said in " ".join(dnas("status", run, code=4).stderr.split())


def _seal(document: dict[str, Any]) -> str:
    body = {key: value for key, value in document.items() if key != "hash"}
    return json.dumps({**body, "hash": content_hash(body)})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"edges": [[[0, 0], [1, 0]], [[1, 0], [0, 0]]]}, "later layer"),  # a cycle
        ({"edges": [[[0, 0], [0, 0]]]}, "later layer"),
        ({"edges": [[[-1, 0], [0, 0]], [[0, 0], [5, 0]]]}, "not on the lattice"),
        ({"edges": []}, "no node"),
        ({"edges": [[[-1, 0], [0, 0]]] * 40_000}, "more than any lattice"),
        ({"layers": 10**12}, "layers"),
        ({"operators": {"0,0": ["rm -rf"]}}, "operators"),
    ],
)
def test_a_coding_that_is_no_network_is_refused(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    path = tmp_path / "architecture.json"
    path.write_text(_seal({**ARCHITECTURE.document(), **change}))
    assert word in dnas("export-coding", path, "--out", tmp_path / "out", code=4).stderr
    assert not (tmp_path / "out").exists()


def test_a_path_longer_than_any_lattice_is_refused(run: Path) -> None:
    document = json.loads((run / "coding/path.json").read_text())
    (run / "coding/path.json").write_text(_seal({**document, "path": [0] * 1000}))
    assert "64 layers at most" in dnas("encode", run, "--stage", 2, code=4).stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": [0]}, "has 1 scales for 3 layers"),
        ({"path": [0], "layers": 1}, "path.json: is for 1 layers, and the run has 3"),
    ],
)
def test_a_path_of_another_lattice_is_refused(run: Path, change: dict[str, Any], said: str) -> None:
    document = json.loads((run / "coding/path.json").read_text())
    (run / "coding/path.json").write_text(_seal({**document, **change}))
    assert said in " ".join(dnas("encode", run, "--stage", 2, code=4).stderr.split())
    assert not (run / "coding/stage2.json").exists()


def test_a_run_of_one_layer_has_nothing_to_search(run: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    manifest["network"]["layers"] = 1
    (run / "run.json").write_text(json.dumps(manifest))
    for command in (("search", run, "--stage", 1, "--dry-run"), ("encode", run, "--stage", 1)):
        assert "layers 1: must be from 2 to 64" in dnas(*command, code=2).stderr


def test_a_space_of_another_lattice_is_refused(run: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    manifest["network"]["layers"] += 1
    (run / "run.json").write_text(json.dumps(manifest))
    said = " ".join(dnas("search", run, "--stage", 1, "--extend", 1, code=4).stderr.split())
    assert "stage1.json: is for 3 layers, and the run has 4" in said


def test_a_coding_of_ten_million_edges_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "architecture.json"
    with path.open("w") as file:
        file.write('{"schema": "dnas/architecture-coding", "edges": [')
        file.write("[[0,0],[1,0]]," * 10_000_000)
        file.write("[[0,0],[1,0]]]}")
    assert "too large" in dnas("export-coding", path, "--out", tmp_path / "out", code=4).stderr


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n"
    for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "[" * 100_000,
        "classes: !!python/object/apply:os.system ['touch here']",
        "epochs: " + "9" * 4000,
        "epochs: .inf",
        "learning-rate: .nan",
        "? [a, b]\n: c",
        "\x00",
        "a: 1\na: 2",
    ],
)
def test_yaml_that_means_harm_is_refused(
    run: Path, tiny_scenes: Path, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text(text)
    dnas("tile", tiny_scenes, "--dataset", path, "--out", tmp_path / "tiles", code=4)
    assert dnas("search", run, "--stage", 2, "--settings", path, code=None).exit_code in (2, 4)
    assert not (tmp_path / "here").exists()
