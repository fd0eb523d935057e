"""Stages that end early by their patience, and the time that is left."""

import json
import shutil
from pathlib import Path

import pytest

from dnas_cli.run.rows import EpochRow
from dnas_cli.run.settings import RetrainSettings, SearchSettings
from dnas_cli.training.early_end import early_end
from dnas_cli.training.time_left import Pace
from tests.support.command_line import dnas, rows
from tests.support.same_bits import same_tensors
from tests.support.small_runs import SIZE


def _search(paths: list[int]) -> list[EpochRow]:
    return [{"epoch": epoch, "decoded": {"path": [path]}} for epoch, path in enumerate(paths)]


@pytest.mark.parametrize(
    ("paths", "ends"),
    [
        ([1, 1, 1, 1], False),  # the first two epochs are before the logits learn
        ([1, 1, 1, 1, 1], True),
        ([1, 1, 2, 1, 1], False),
        ([1, 2, 3, 1, 1, 1], True),
    ],
)
def test_a_search_ends_when_what_it_decodes_to_stays(paths: list[int], ends: bool) -> None:
    settings = SearchSettings(epochs=8, warmup=0.25, patience=2)
    assert bool(early_end(settings, _search(paths))) == ends
    assert not early_end(SearchSettings(epochs=8, warmup=0.25), _search(paths))


@pytest.mark.parametrize(
    ("scores", "ends"),
    [
        ([0.1, 0.2, 0.1], False),
        ([0.1, 0.2, 0.1, 0.2], True),  # equal is no gain
        ([0.1, 0.2, 0.1, 0.3], False),
        ([0.1, 0.2, 0.1, None], False),  # the last epoch of a stage is validated
    ],
)
def test_a_retraining_ends_when_the_validation_gains_nothing(
    scores: list[float | None], ends: bool
) -> None:
    history: list[EpochRow] = [
        {"epoch": epoch} if score is None else {"epoch": epoch, "val": {"mean_iou": score}}
        for epoch, score in enumerate(scores)
    ]
    assert bool(early_end(RetrainSettings(epochs=9, patience=2), history)) == ends


def test_a_stage_that_ends_early_says_so_and_ends_so_when_it_is_resumed(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    given = ("--epochs", 9, "--warmup", 0, "--logit-learning-rate", 1e-6, "--batch", 4)
    command = ("search", run, "--stage", 1, "--data", tiny_tiles, *SIZE, *given, "--patience", 1)
    result = dnas(*command, "--device", "cpu")
    assert "stage 1: ends early, after epoch 2 of 9" in result.stderr
    assert "best so far" in result.stderr
    assert " left" in result.stderr
    log = (run / "dnas.log").read_text()
    for words in ("; dnas 0.1.0, python 3", "torch 2", "device cpu, 1 threads"):
        assert words in log
    history = rows(run / "search/stage1/history.jsonl")
    killed = shutil.copytree(run, tmp_path / "killed")
    manifest = json.loads((killed / "run.json").read_text())
    manifest["stages"]["stage1"]["phase"] = "started"  # as before the end was recorded
    (killed / "run.json").write_text(json.dumps(manifest))
    dnas("search", killed, "--stage", 1, "--device", "cpu")
    assert rows(killed / "search/stage1/history.jsonl") == history
    assert same_tensors(run / "search/stage1/last.pt", killed / "search/stage1/last.pt")
    extended = dnas("search", run, "--stage", 1, "--extend", 1, "--device", "cpu", code=3)
    assert "ended early" in extended.stderr


def test_the_time_left_counts_logits_and_validations() -> None:
    pace = Pace(SearchSettings(epochs=4, warmup=0.5, validate_every=2), 4)
    assert pace.left(0) is None
    pace.count(0, 10.0, 0.0)
    assert pace.left(1) == pytest.approx(10 + 2 * 17)
    pace.count(1, 10.0, 3.0)
    assert pace.left(2) == pytest.approx(2 * 17 + 3)
    pace.count(2, 34.0, 0.0)
    assert pace.left(3) == pytest.approx(34 + 3)
