"""Measuring before a plan takes a minute at most, by a counted clock, on machines of any pace."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dnas_cli.nets.network import NetworkShape
from dnas_cli.nets.step_estimate import StepEstimate
from dnas_cli.planning.make_plan import SIZES
from dnas_cli.run.settings import SearchSettings, TrainingSettings
from dnas_cli.stages import measure_steps
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.dry_run import StageEstimate
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.tile_set import TileSet

_ASIDE = 0.7  # seconds to build a network and to estimate a step


class CountedMachine:
    """A machine whose clock advances by the arithmetic of the steps that it is asked to take.

    Args:
        smallest: Seconds of a step of the smallest size's first stage.
        faster: How much so many threads speed up a step.
    """

    def __init__(self, smallest: float, faster: float = 1.0) -> None:
        self.now = 0.0
        self.taken = 0
        self.faster = faster
        first = _arithmetic(SIZES[0].layers, 1, SIZES[0].width, SIZES[0].batch, 256)
        self.pace = smallest / first

    def clock(self) -> float:
        return self.now

    def expected(self, run: None, layers: int, number: int, shape: NetworkShape) -> Any:
        return SimpleNamespace(layers=layers, number=number, width=shape.width)

    def estimate(
        self,
        name: str,
        expected: Any,
        settings: TrainingSettings,
        record: None,
        tiles: TileSet,
        compute: ComputeOptions,
        is_worth: Callable[[StepEstimate], bool] = lambda step: True,
    ) -> StageEstimate:
        self.now += _ASIDE
        side = settings.crop or 256
        work = _arithmetic(expected.layers, expected.number, expected.width, settings.batch, side)
        step, seconds = StepEstimate(0, 0, 0, 0, work), work * self.pace
        if compute.threads > 1:
            seconds /= self.faster
        searches = isinstance(settings, SearchSettings)
        if not is_worth(step):
            return _estimate(step, None)
        for each in (seconds, 1.7 * seconds)[: 1 + searches]:
            spent = 0.0
            for _ in range(3):
                if spent < 4.0:
                    spent += each
                    self.taken += 1
            self.now += spent
        return _estimate(step, seconds)


def _arithmetic(layers: int, number: int, width: int, batch: int, side: int) -> int:
    return layers * (4 if number == 3 else 1) * width**2 * batch * side**2


def _estimate(step: StepEstimate, seconds: float | None) -> StageEstimate:
    full = None if seconds is None else 1.7 * seconds
    return StageEstimate("", "", 0, "fast", 4, 32, 3, 1, 10, step, seconds, full, 0.0, 6.0)


def _on(machine: CountedMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_steps, "estimate_stage", machine.estimate)
    monkeypatch.setattr(measure_steps, "expected_network", machine.expected)


@pytest.mark.parametrize("smallest", [0.002, 0.02, 0.2, 1.0, 4.0, 8.0])
@pytest.mark.parametrize("budget", [300.0, 1200.0, 86_400.0])
def test_it_takes_a_minute_at_most(
    smallest: float, budget: float, tiny_tiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, tiles = CountedMachine(smallest), open_tile_set(tiny_tiles)
    _on(machine, monkeypatch)
    compute = ComputeOptions(device="cpu", threads=1)
    found = measure_steps.measure(None, tiles, budget, compute, clock=machine.clock)
    assert found.seconds == pytest.approx(machine.now, abs=0.1)
    assert machine.now <= 60
    assert found.candidates
    assert all(len(item.steps) == 4 for item in found.candidates)


def test_steps_for_which_there_is_no_time_follow_from_their_arithmetic(
    tiny_tiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, tiles = CountedMachine(8.0), open_tile_set(tiny_tiles)
    _on(machine, monkeypatch)
    compute = ComputeOptions(device="cpu", threads=1)
    found = measure_steps.measure(None, tiles, 1e6, compute, clock=machine.clock)
    assert machine.taken < 8  # of 21: two kinds of steps in three stages, one in the last
    smallest = found.candidates[0]
    assert smallest.step("stage3").weights == pytest.approx(4 * smallest.step("stage1").weights)
    assert smallest.step("stage3").full == pytest.approx(1.7 * smallest.step("stage3").weights)


@pytest.mark.parametrize(
    ("waiting", "faster", "threads", "ratio"),
    [(1.1, 2.0, 4, 2.0), (1.1, 0.8, 1, 0.8), (50.0, 2.0, 1, 0.02)],
)
def test_one_thread_is_compared_with_all_and_the_faster_is_taken(
    waiting: float,
    faster: float,
    threads: int,
    ratio: float,
    tiny_tiles: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, tiles = CountedMachine(0.2, faster), open_tile_set(tiny_tiles)
    _on(machine, monkeypatch)
    asked: list[int] = []

    def resolve(compute: ComputeOptions) -> tuple[torch.device, int]:
        asked.append(compute.threads)
        return torch.device("cpu"), 0

    monkeypatch.setattr(ComputeOptions, "resolve", resolve)
    monkeypatch.setattr(measure_steps, "limited_threads", lambda: None)
    monkeypatch.setattr(measure_steps, "waiting", lambda threads: waiting)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    found = measure_steps.measure(None, tiles, 300.0, ComputeOptions(), clock=machine.clock)
    assert asked[-1] == threads
    assert found.machine.one_thread == pytest.approx(ratio)
    assert machine.now < 60
