"""Training that diverges stops or backs off, and nothing that is not finite is kept."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dnas_cli.nets.network import NetworkShape, build_supernet
from dnas_cli.space.coding import (
    ConnectionCoding,
    PathCoding,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.stages.logit_summary import summarise_logits
from dnas_cli.training.losses import LOSSES
from dnas_cli.training.precision import Precision
from tests.support.command_line import dnas, rows
from tests.support.same_bits import assert_same_stage
from tests.support.small_runs import first_search

BACKOFF = ("--on-divergence", "backoff")


@pytest.fixture
def losses_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, float]], None]:
    """Let the losses of some steps, counted from 1, be multiplied by a factor."""

    def patch(factors: dict[int, float]) -> None:
        calls, right = 0, LOSSES["cross-entropy"]

        def loss(*tensors: Tensor, **more: Any) -> Tensor:
            nonlocal calls
            calls += 1
            return right(*tensors, **more) * factors.get(calls, 1.0)

        monkeypatch.setitem(LOSSES, "cross-entropy", loss)

    return patch


def _all_finite(path: Path) -> bool:
    network = torch.load(path, weights_only=True)["network"]
    return all(bool(torch.isfinite(item).all()) for item in network.values())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_checkpoint(
    searched: Path,
    tiny_tiles: Path,
    tmp_path: Path,
    losses_of: Callable[[dict[int, float]], None],
    monkeypatch: pytest.MonkeyPatch,
    value: float,
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context():
        losses_of({4: value})  # in the second epoch
        message = dnas(*first_search(run, tiny_tiles, "--checkpoint-every", 0), code=1).stderr
    assert "diverged" in message
    assert "--on-divergence backoff" in message
    stage = run / "search/stage1"
    assert _all_finite(stage / "last.pt")
    assert _all_finite(stage / "best.pt")
    assert [row["epoch"] for row in rows(stage / "history.jsonl")] == [0]
    losses_of({})
    dnas("search", run, "--stage", 1)
    assert_same_stage(stage, searched / "search/stage1")


def test_weights_that_are_not_finite_are_never_saved(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, right = 0, Precision.step

    def step(self: Precision, optimizer: torch.optim.Optimizer) -> None:
        nonlocal calls
        calls += 1
        right(self, optimizer)
        if calls == 2:  # the loss of this step was finite
            optimizer.param_groups[0]["params"][0].data.fill_(math.inf)

    monkeypatch.setattr(Precision, "step", step)
    run = tmp_path / "run"
    message = dnas(*first_search(run, tiny_tiles, "--checkpoint-every", 0), code=1).stderr
    assert "stem.0.0.weight is not finite" in message
    assert _all_finite(run / "search/stage1/last.pt")


def test_backing_off_continues_at_a_tenth_of_the_rate_and_records_it(
    tiny_tiles: Path, tmp_path: Path, losses_of: Callable[[dict[int, float]], None]
) -> None:
    run = tmp_path / "run"
    losses_of({6: math.nan})
    result = dnas(*first_search(run, tiny_tiles, *BACKOFF))
    assert "0.1 of the learning rate" in result.stderr
    first, second = rows(run / "search/stage1/history.jsonl")
    assert "rate_factor" not in first
    assert second["rate_factor"] == 0.1
    assert second["learning_rate"] == pytest.approx(0.1 * 0.001)
    assert second["loss"] > 0


def test_diverging_a_second_time_stops(
    tiny_tiles: Path, tmp_path: Path, losses_of: Callable[[dict[int, float]], None]
) -> None:
    run = tmp_path / "run"
    losses_of({6: math.nan, 9: math.nan})
    assert "diverged" in dnas(*first_search(run, tiny_tiles, *BACKOFF), code=1).stderr
    assert _all_finite(run / "search/stage1/last.pt")


def test_collapsing_logits_are_said_in_the_history_and_the_log(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = first_search(run, tiny_tiles, "--logit-learning-rate", 50)
    result = dnas(*command)
    assert "warning: stage 1: the logits are decided" in result.stderr
    assert "decided" in rows(run / "search/stage1/history.jsonl")[-1]["warning"]


def test_one_operator_everywhere_is_said() -> None:
    path = PathCoding((0, 1, 1))
    space = third_space(ConnectionCoding(second_space(path).graph))
    network = build_supernet(space, NetworkShape(4, 3, 2))
    logits: Any = network.architecture_logits()
    with torch.no_grad():
        logits.zero_()
        logits[:, 4] = 1.0
    assert "every node has the same operators" in summarise_logits(space, network).warning
    assert not summarise_logits(
        first_space(3), build_supernet(first_space(3), network.shape)
    ).warning
