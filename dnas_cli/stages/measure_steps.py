"""Measuring training steps of several sizes of networks on this machine, for a plan."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch

from dnas_cli.container import limited_threads
from dnas_cli.nets.step_estimate import StepEstimate
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.planning.make_plan import sizes_for, sizes_of, worth_measuring
from dnas_cli.planning.measurements import (
    RETRAINING,
    Candidate,
    DataFacts,
    Machine,
    Measurements,
    Size,
    StepTime,
)
from dnas_cli.run.directory import Run
from dnas_cli.run.manifest import STAGES
from dnas_cli.run.settings import STAGE_SETTINGS, TrainingSettings
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.dry_run import StageEstimate, estimate_stage, measuring_seconds
from dnas_cli.stages.expected_network import expected_network
from dnas_cli.stages.fitting_mode import HEADROOM, fits, free_memory
from dnas_cli.stages.new_run import NewRun
from dnas_cli.stages.training_setup import network_shape
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.training.time_left import WITH_LOGITS

_MOST_SECONDS = 50.0
_MOST_SHARE = 0.08  # of the budget
_LOOP, _LOOPING = 1 << 17, 0.3  # values, and seconds of such loops
_FAR_SLOWER = 2.0
_SHORT = 600.0  # seconds of a budget, for which the smallest size is likely


@dataclass
class Measuring:
    """Decides what is measured, so that all is measured within a time.

    Attributes:
        most: Seconds that all may take.
        clock: The time, in seconds.
        pace: Seconds of a multiply-accumulate, by the last step that was measured; 0 at first.
    """

    most: float
    clock: Callable[[], float] = time.monotonic
    pace: float = 0.0
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return self.clock() - self.began

    def affords(self, step: StepEstimate, kinds: int) -> bool:
        """Whether there is time to measure so many kinds of steps; for the first, there is."""
        if not self.pace:
            return True
        expected = measuring_seconds(self.pace * step.multiply_accumulates, kinds)
        return self.seconds + expected <= self.most

    def learn(self, found: StageEstimate) -> None:
        """Take the pace from measured steps."""
        if found.weight_seconds is not None:
            self.pace = found.weight_seconds / found.step.multiply_accumulates


def data_facts(tiles: TileSet) -> DataFacts:
    """Return what a plan needs of a tile set."""
    train, val, test = (tiles.count(split) for split in ("train", "val", "test"))
    colours = len(tiles.bands) == 3 and tiles.dtype == "uint8"
    return DataFacts(train, val, test, tiles.tile_size, len(tiles.classes), colours)


def measure(
    run: Run | None,
    tiles: TileSet,
    budget: float,
    compute: ComputeOptions,
    new_run: NewRun | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Measurements:
    """Measure sizes from the smallest up, as long as the next may be chosen; a minute at most.

    The times of steps for which there is no time follow from their arithmetic.

    Args:
        run: An existing run, whose layers and width stay.
        budget: Seconds that all may take.
        compute: Device, threads and the like.
        new_run: Layers and width of a new run, where they are given.
        clock: The time, in seconds.
    """
    measuring = Measuring(min(_MOST_SECONDS, _MOST_SHARE * budget), clock)
    device, workers = compute.resolve()
    data = data_facts(tiles)
    sizes, given = sizes_for(data, device.type), new_run if run is None else run.manifest
    if given is not None:
        sizes = sizes_of(sizes, given.layers, given.width)
    one_thread = 0.0
    if device.type == "cpu" and not compute.threads:
        likely = sizes[:2][-1 if budget > _SHORT else 0]
        compute, one_thread = _threads(tiles, likely, compute)
    machine = Machine(
        _name(device), torch.get_num_threads(), one_thread, free_memory(device) or 0, workers
    )
    candidates: list[Candidate] = []
    for size in sizes:
        measured = Measurements(machine, tuple(candidates), measuring.seconds)
        if candidates and (
            measuring.seconds > measuring.most or not worth_measuring(measured, data, budget, size)
        ):
            break
        found = _candidate(run, tiles, size, compute, measuring)
        if found is None:
            break
        candidates.append(found)
    return Measurements(machine, tuple(candidates), round(measuring.seconds, 1))


def measure_stage(
    run: Run, stage: str, settings: TrainingSettings, tiles: TileSet, compute: ComputeOptions
) -> StepTime | None:
    """Measure steps of a stage whose coding is known by now; None where none fits the memory."""
    shape = network_shape(tiles, run.manifest.width, settings)
    expected = expected_network(run, run.manifest.layers, STAGES.index(stage) + 1, shape)
    found = estimate_stage(stage, expected, settings, None, tiles, compute)
    return _step_time(stage, found, compute.resolve()[1])


def _candidate(
    run: Run | None, tiles: TileSet, size: Size, compute: ComputeOptions, measuring: Measuring
) -> Candidate | None:
    """Return the steps of all stages; None where one does not fit into the memory."""
    steps = []
    mode: ExecutionMode = "fast"
    device, workers = compute.resolve()
    for number, name in enumerate(STAGES, 1):
        settings, kinds = _settings(name, size), 1 if name == RETRAINING else 2
        shape = network_shape(tiles, size.width, settings)
        expected = expected_network(run, size.layers, number, shape)
        found = estimate_stage(
            f"{name}, width {size.width}", expected, settings, None, tiles, compute,
            partial(measuring.affords, kinds=kinds),
        )  # fmt: skip
        measuring.learn(found)
        if not fits(found.step, device):
            return None
        mode = "low" if "low" in (mode, found.mode) else found.mode
        steps.append(_step_time(name, found, workers) or _by_arithmetic(name, found, measuring))
    return Candidate(size, mode, tuple(steps))


def _step_time(stage: str, found: StageEstimate, workers: int) -> StepTime | None:
    """Return measured steps with the loading of their tiles; None if none were measured."""
    if found.weight_seconds is None or found.full_seconds is None:
        return None
    loading = 0.0 if workers else found.loading
    of_weights = loading if stage == RETRAINING else loading / 2
    memory = int(HEADROOM * found.step.total_bytes)
    return StepTime(stage, found.weight_seconds + of_weights, found.full_seconds + loading, memory)


def _by_arithmetic(stage: str, found: StageEstimate, measuring: Measuring) -> StepTime:
    weights = measuring.pace * found.step.multiply_accumulates
    full = weights if stage == RETRAINING else weights * WITH_LOGITS
    return StepTime(stage, weights, full, int(HEADROOM * found.step.total_bytes))


def _settings(stage: str, size: Size) -> TrainingSettings:
    flags = {"head": size.head, "batch": size.batch, "crop": size.crop, "epochs": 3}
    return SettingsChoice("quick", None, flags).resolve(STAGE_SETTINGS[stage], {})


def _threads(tiles: TileSet, size: Size, compute: ComputeOptions) -> tuple[ComputeOptions, float]:
    """Return the options with the faster of one thread and all, and how they compare."""
    compute.resolve()
    every = torch.get_num_threads()
    if every == 1 or limited_threads():
        return compute, 0.0
    ratio = waiting(every)
    if ratio <= _FAR_SLOWER:
        seconds = {}
        settings = _settings(RETRAINING, size)
        shape = network_shape(tiles, size.width, settings)
        for count in (1, every):
            expected = expected_network(None, size.layers, len(STAGES), shape)
            trial = replace(compute, threads=count)
            found = estimate_stage(f"{count} threads", expected, settings, None, tiles, trial)
            if found.full_seconds is None:
                return compute, 0.0
            seconds[count] = found.full_seconds
        ratio = seconds[every] / seconds[1]
    compute = replace(compute, threads=every if ratio < 1 else 1)
    compute.resolve()
    return compute, round(1 / ratio, 4)


def waiting(threads: int) -> float:
    """Return how long short loops take on so many threads, where one thread takes 1.

    Where other processes keep cores busy, each loop waits for its last thread, and a step of
    training takes 100 times as long.
    """
    values, each = torch.zeros(_LOOP), []
    for count in (1, threads):
        torch.set_num_threads(count)
        values.relu_()
        began, loops = time.perf_counter(), 0
        while time.perf_counter() - began < _LOOPING:
            values.relu_()
            loops += 1
        each.append((time.perf_counter() - began) / loops)
    return each[1] / each[0]


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
