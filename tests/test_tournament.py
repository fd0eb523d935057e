"""A tournament before the retraining: who stays, and that stopping changes nothing."""

import json
from pathlib import Path

import pytest
import torch

from dnas_cli.errors import DnasError, UsageError
from dnas_cli.model.model_file import load_model
from dnas_cli.run.directory import open_run
from dnas_cli.run.history import write_history_table
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.random_architectures import random_architectures
from dnas_cli.stages import train_stage
from dnas_cli.stages.tournament import rounds
from tests.support.command_line import dnas, rows
from tests.support.same_bits import assert_same_stage, same_tensors
from tests.support.stopping_steps import stopped_after

SETTINGS = ("--head", 4, "--epochs", 4, "--batch", 8, "--width", 2, "--device", "cpu")


def test_half_of_them_leave_after_each_round_and_the_last_round_is_early() -> None:
    assert rounds(8, 40, 1) == [3, 5, 10]
    assert rounds(8, 40, 2) == [4, 6, 10]
    assert rounds(5, 40, 1) == [3, 5, 10]
    assert rounds(2, 4, 1) == [1]
    assert rounds(4, 4, 1) == [1, 2]
    with pytest.raises(UsageError, match="8 networks needs 3 rounds"):
        rounds(8, 3, 1)


@pytest.fixture(scope="module")
def architecture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an architecture of three layers."""
    file = tmp_path_factory.mktemp("coding") / "architecture.json"
    next(random_architectures(3, 5)).write(file)
    return file


def test_the_winner_ends_as_if_it_had_been_retrained_alone_even_if_it_was_stopped(
    tiny_tiles: Path, architecture: Path, tmp_path: Path
) -> None:
    run, whole, alone = tmp_path / "run", tmp_path / "whole", tmp_path / "alone"
    begin = ("--architecture", architecture, "--data", tiny_tiles, *SETTINGS, "--tournament", 2)
    dnas("retrain", whole, *begin)
    outcome = json.loads((whole / "retrain/tournament.json").read_text())
    winner = whole / f"retrain/tournament/codings/{outcome['winner']}.json"
    assert [len(item["val_mean_iou"]) for item in outcome["rounds"]] == [3, 2]
    for item, later in zip(outcome["rounds"], [*outcome["rounds"][1:], None], strict=True):
        scores = item["val_mean_iou"]
        stay = set(later["val_mean_iou"]) if later else {outcome["winner"]}
        assert min(scores[name] for name in stay) >= max(
            score for name, score in scores.items() if name not in stay
        )
    with stopped_after(7):  # in the second round
        dnas("retrain", run, *begin, "--checkpoint-every", 0, code=130)
    dnas("retrain", run)  # the settings are those that it was started with
    assert (run / "retrain/tournament.json").read_bytes() == (
        whole / "retrain/tournament.json"
    ).read_bytes()
    assert_same_stage(whole / "retrain", run / "retrain")
    assert same_tensors(whole / "model.pt", run / "model.pt")
    dnas("retrain", alone, "--architecture", winner, "--data", tiny_tiles, *SETTINGS)
    assert_same_stage(alone / "retrain", run / "retrain")
    trained = load_model(run / "model.pt", torch.device("cpu"))
    assert trained.architecture.body() == ArchitectureCoding.read(winner).body()
    assert trained.facts.provenance["tournament"] == f"{outcome['winner']}, 1 of 3"
    best = max(row["val"]["mean_iou"] for row in rows(run / "retrain/history.jsonl"))
    assert best >= max(max(item["val_mean_iou"].values()) for item in outcome["rounds"])
    finished = (run / "model.pt").stat().st_mtime_ns
    dnas("retrain", run)
    assert (run / "model.pt").stat().st_mtime_ns == finished
    again = ("retrain", run, "--restart", "--overwrite", "--epochs", 1)
    assert "needs 2 rounds" in dnas(*again, code=2).stderr  # the run's setting stays
    assert (run / "model.pt").stat().st_mtime_ns == finished
    dnas(*again, "--tournament", 0)
    assert not (run / "retrain/architecture.json").exists()  # of the discarded tournament
    own = open_run(run).architecture().body()
    assert load_model(run / "model.pt", torch.device("cpu")).architecture.body() == own


def test_a_round_of_which_the_last_write_failed_is_recorded_when_resumed(
    tiny_tiles: Path, architecture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, names = tmp_path / "run", ("found", "random-1")
    failed: set[str] = set()

    def fail_once_for_each(folder: Path) -> Path:
        if folder.parent.name not in failed:
            failed.add(folder.parent.name)
            raise DnasError("no space")
        return write_history_table(folder)

    begin = ("--architecture", architecture, "--data", tiny_tiles, *SETTINGS, "--tournament", 1)
    monkeypatch.setattr(train_stage, "write_history_table", fail_once_for_each)
    for _ in names:
        dnas("retrain", run, *begin, code=1)
    monkeypatch.undo()
    dnas("retrain", run)
    for name in names:
        place = run / "retrain/tournament" / name
        done = len(rows(place / "retrain/history.jsonl"))
        assert len((place / "retrain/history.csv").read_text().splitlines()) == 1 + done
        record = open_run(place).record("retrain")
        assert record is not None
        assert record.epochs_done == done


def test_a_tournament_needs_epochs_for_its_rounds_and_weights_from_scratch(
    tiny_tiles: Path, architecture: Path, tmp_path: Path
) -> None:
    begin = ("--architecture", architecture, "--data", tiny_tiles, *SETTINGS, "--tournament", 2)
    refused = dnas("retrain", tmp_path / "a", *begin, "--epochs", 2, code=2).stderr
    assert "of 3 networks needs 2 rounds" in refused
    assert (
        "init scratch" in dnas("retrain", tmp_path / "b", *begin, "--init", "x.pt", code=2).stderr
    )
