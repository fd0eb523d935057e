"""Measuring training steps of several sizes of networks on this machine, for a plan."""

import time
from dataclasses import replace

import torch

from dnas_cli.container import limited_threads
from dnas_cli.planning.make_plan import sizes_for, worth_measuring
from dnas_cli.planning.measurements import (
    RETRAINING,
    SEARCHES,
    Candidate,
    DataFacts,
    Machine,
    Measurements,
    Size,
    StepTime,
)
from dnas_cli.run.directory import Run
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.dry_run import StageEstimate, estimate_stage
from dnas_cli.stages.expected_network import expected_network
from dnas_cli.stages.fitting_mode import HEADROOM, free_memory
from dnas_cli.stages.training_setup import network_shape
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.settings import RetrainSettings, SearchSettings, TrainingSettings
from dnas_cli.training.settings_choice import SettingsChoice

_STAGES = (*SEARCHES, RETRAINING)
_MOST_SECONDS = 60.0
_MOST_SHARE = 0.1  # of the budget
_TRIED = 64  # pixels


def data_facts(tiles: TileSet) -> DataFacts:
    """Return what a plan needs of a tile set."""
    train, val, test = (tiles.count(split) for split in ("train", "val", "test"))
    return DataFacts(train, val, test, tiles.tile_size, len(tiles.classes))


def measure(
    run: Run | None, tiles: TileSet, budget: float, compute: ComputeOptions
) -> Measurements:
    """Measure sizes from the smallest up, as long as the next may be chosen; a minute at most.

    Args:
        run: An existing run, whose layers and width stay.
        budget: Seconds that all may take.
        compute: Device, threads and the like.
    """
    started = time.monotonic()
    device, workers = compute.resolve()
    data = data_facts(tiles)
    sizes = sizes_for(data, device.type)
    if run is not None:
        manifest = run.manifest
        sizes = (replace(sizes[0], layers=manifest.layers, width=manifest.width),)
    one_thread = 0.0
    if device.type == "cpu" and not compute.threads:
        compute, one_thread = _threads(tiles, sizes[0], compute)
    machine = Machine(
        _name(device), torch.get_num_threads(), one_thread, free_memory(device) or 0, workers
    )
    candidates: list[Candidate] = []
    for size in sizes:
        measured = Measurements(machine, tuple(candidates), time.monotonic() - started)
        if candidates and (
            measured.seconds > min(_MOST_SECONDS, _MOST_SHARE * budget) / 2
            or not worth_measuring(measured, data, budget, size)
        ):
            break
        found = _candidate(run, tiles, size, compute, workers)
        if found is None:
            break
        candidates.append(found)
    return Measurements(machine, tuple(candidates), round(time.monotonic() - started, 1))


def measure_stage(
    run: Run, stage: str, settings: TrainingSettings, tiles: TileSet, compute: ComputeOptions
) -> StageEstimate:
    """Measure steps of a stage whose coding is known by now."""
    number = _STAGES.index(stage) + 1
    shape = network_shape(tiles, run.manifest.width, settings)
    expected = expected_network(run, run.manifest.layers, number, shape)
    return estimate_stage(stage, expected, settings, None, tiles, compute)


def _candidate(
    run: Run | None, tiles: TileSet, size: Size, compute: ComputeOptions, workers: int
) -> Candidate | None:
    """Return the measured steps of all stages; None where one does not fit into the memory."""
    steps, mode = [], ""
    for number, name in enumerate(_STAGES, 1):
        settings = _settings(name, size)
        shape = network_shape(tiles, size.width, settings)
        expected = expected_network(run, size.layers, number, shape)
        found = estimate_stage(
            f"{name}, width {size.width}", expected, settings, None, tiles, compute
        )
        if found.weight_seconds is None or found.full_seconds is None:
            return None
        mode = "low" if "low" in (mode, found.mode) else found.mode
        loading = 0.0 if workers else found.loading
        of_weights = loading / 2 if name in SEARCHES else loading
        memory = int(HEADROOM * found.step.total_bytes)
        steps.append(
            StepTime(name, found.weight_seconds + of_weights, found.full_seconds + loading, memory)
        )
    return Candidate(size, mode, tuple(steps))


def _settings(stage: str, size: Size) -> TrainingSettings:
    flags = {"head": size.head, "batch": size.batch, "crop": size.crop, "epochs": 3}
    kind = RetrainSettings if stage == RETRAINING else SearchSettings
    return SettingsChoice("quick", None, flags).resolve(kind, {})


def _threads(tiles: TileSet, size: Size, compute: ComputeOptions) -> tuple[ComputeOptions, float]:
    """Return the options with the faster of one thread and all, and how they compare."""
    compute.resolve()
    every = torch.get_num_threads()
    if every == 1 or limited_threads():
        return compute, 0.0
    seconds = {}
    for count in (1, every):
        # Few pixels: where other processes keep cores busy, a step on all can take 100 times as
        # long, as each of its loops waits for its last thread.
        settings = _settings(RETRAINING, replace(size, crop=_TRIED, batch=2))
        shape = network_shape(tiles, size.width, settings)
        expected = expected_network(None, size.layers, len(_STAGES), shape)
        trial = replace(compute, threads=count)
        found = estimate_stage(f"{count} threads", expected, settings, None, tiles, trial)
        if found.full_seconds is None:
            return compute, 0.0
        seconds[count] = found.full_seconds
    best = min(seconds, key=lambda count: seconds[count])
    compute = replace(compute, threads=best)
    compute.resolve()
    return compute, round(seconds[1] / seconds[every], 2)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
