"""`--budget` of a search or a retraining: as many epochs as fit."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnas_cli.errors import UsageError
from dnas_cli.nets.step_estimate import StepEstimate
from dnas_cli.planning.measurements import (
    RETRAINING,
    SEARCHES,
    Candidate,
    Machine,
    Measurements,
    Size,
    StepTime,
)
from dnas_cli.stages import budgeted_stage
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.dry_run import StageEstimate
from dnas_cli.stages.new_run import NewRun
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.training.settings_choice import SettingsChoice
from tests.support.command_line import dnas
from tests.support.small_runs import HEAD

STAGES = (*SEARCHES, RETRAINING)


def _estimate(seconds: float = 0.5) -> StageEstimate:
    """A stage of ten steps per epoch, in six of twelve epochs twice as long, with validations."""
    step = StepEstimate(0, 0, 0, 0, 0)
    return StageEstimate(
        "", "", 0, "fast", 4, 32, 12, 6, 10, step, seconds, 2 * seconds, seconds / 5, 6.0
    )  # fmt: skip


def test_an_epoch_has_steps_of_both_kinds_reading_and_validation() -> None:
    # 5 steps of 0.5 s and 5 of 1 s, 10 times 0.1 s of reading, 6 forward passes of 0.5 s / 3.
    assert _estimate().mean_epoch_seconds == pytest.approx(7.5 + 1.0 + 1.0)


def test_a_stage_takes_the_epochs_that_fit_into_its_budget(
    decoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimates(*_: object) -> Iterator[StageEstimate]:
        yield _estimate(0.001)

    monkeypatch.setattr(budgeted_stage, "search_estimates", estimates)
    run = tmp_path / "run"
    command = ("search", decoded, "--stage", 2, "--branch", run, *HEAD, "--batch", 4)
    assert "is too short" in dnas(*command, "--budget", "0.01s", code=2).stderr
    assert "--epochs 3" in dnas(*command, "--budget", "1s", "--epochs", 3, code=2).stderr
    assert not run.exists()
    result = dnas(*command, "--device", "cpu", "--budget", "0.06s")
    assert "3 epochs, about" in result.stderr  # 0.97 * 0.06 / 0.019
    settings = json.loads((run / "run.json").read_text())["stages"]["stage2"]["settings"]
    assert settings["epochs"] == 3
    again = dnas("search", run, "--stage", 2, "--budget", "9h").stderr
    assert "its epochs stay" in again
    extended = ("search", run, "--stage", 2, "--extend", 1, "--budget", "1h")
    assert "adds some" in dnas(*extended, code=2).stderr


def test_a_new_run_gets_the_largest_size_whose_logits_decide(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object) -> Measurements:
        sizes = (Size(3, 4, 8, 4), Size(4, 6, 8, 4), Size(5, 8, 8, 4))
        times = (0.01, 0.02, 5.0)
        candidates = tuple(
            Candidate(size, "fast", tuple(StepTime(name, time, 2 * time) for name in STAGES))
            for size, time in zip(sizes, times, strict=True)
        )
        return Measurements(Machine("cpu"), candidates, 0.0)

    monkeypatch.setattr(budgeted_stage, "measure", measured)
    compute, new_run = ComputeOptions(device="cpu"), NewRun(tiny_tiles)
    given = SettingsChoice(flags={"batch": 8, "crop": None})

    def within(budget: str) -> tuple[SettingsChoice, NewRun]:
        root, options = tmp_path / "run", StageOptions()
        return budgeted_stage.search_within(root, 1, budget, given, new_run, compute, options)

    with pytest.raises(UsageError, match="a decision of its logits takes"):
        within("0.5s")
    choice, found = within("4s")
    assert found == NewRun(tiny_tiles, 4, 6)
    assert choice.preset == "quick"
    assert (choice.flags["head"], choice.flags["batch"]) == (8, 8)
    assert choice.flags["epochs"] == 56  # 18 of 0.04 s, 38 of 0.08 s with logits
    assert within("1h")[1] == NewRun(tiny_tiles, 5, 8)
