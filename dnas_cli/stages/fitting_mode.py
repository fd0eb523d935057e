"""Which execution mode of a network fits into the free memory."""

from typing import cast, get_args

import psutil
import torch

from dnas_cli.console import as_bytes, logger
from dnas_cli.container import memory_left
from dnas_cli.errors import RunStateError
from dnas_cli.nets.network import Network
from dnas_cli.nets.step_estimate import StepEstimate, estimate_step
from dnas_cli.nets.training_pass.execution_mode import ExecutionChoice, ExecutionMode
from dnas_cli.run.manifest import StageRecord
from dnas_cli.run.settings import RetrainSettings, TrainingSettings

HEADROOM = 1.5  # gradients of activations, what kernels need for themselves, tiles on their way


def choose_execution_mode(
    network: Network,
    choice: ExecutionChoice,
    record: StageRecord | None,
    settings: TrainingSettings,
    tile_size: int,
    device: torch.device,
) -> ExecutionMode:
    """Return how to execute a stage's network.

    A resumed stage keeps its mode, so that its bits do not depend on what else the machine does;
    only an explicit choice changes that. A new one is executed fast where that fits.

    Args:
        network: The plain network.
        choice: What the user said.
        record: What is known of the stage.
        settings: Batch and crop.
        tile_size: Side of the tiles.
        device: Where it will run.
    """
    chosen = _chosen(choice, record)
    if chosen is not None or free_memory(device) is None:
        return chosen or "fast"
    return fitting_step(network, choice, record, settings, tile_size, device)[0]


def fitting_step(
    network: Network,
    choice: ExecutionChoice,
    record: StageRecord | None,
    settings: TrainingSettings,
    tile_size: int,
    device: torch.device,
) -> tuple[ExecutionMode, StepEstimate]:
    """Return the mode of `choose_execution_mode`, and the estimate of a step in it."""
    size, copies = step_size(settings, tile_size), kept_copies(settings)

    def estimated(mode: ExecutionMode) -> StepEstimate:
        return estimate_step(network, mode, settings.shard_size, size, copies)

    chosen, free = _chosen(choice, record), free_memory(device)
    fast = estimated(chosen or "fast")
    if chosen is not None:
        return chosen, fast
    if free is None or _needed(fast) <= free:
        return "fast", fast
    logger.info(
        "mode=fast needs about %s, and %s are free: mode=low is used",
        as_bytes(_needed(fast)),
        as_bytes(free),
    )
    low = estimated("low")
    if _needed(low) > free:
        logger.warning(
            "mode=low needs about %s. A smaller batch or crop needs less.", as_bytes(_needed(low))
        )
    return "low", low


def _chosen(choice: ExecutionChoice, record: StageRecord | None) -> ExecutionMode | None:
    """Return the mode that the user or the record names; None where the memory decides."""
    recorded = record.memory if record is not None else ""
    if choice != "auto":
        if recorded not in ("", choice):
            logger.info("resumes with mode=%s, not %s: the same but for rounding", choice, recorded)
        return choice
    return _known(recorded) if recorded else None


def fits(estimate: StepEstimate, device: torch.device) -> bool:
    """Whether an estimated step fits into the free memory; true where that is unknown."""
    free = free_memory(device)
    return free is None or _needed(estimate) <= free


def kept_copies(settings: TrainingSettings) -> int:
    """Return how many numbers training keeps beside each weight and its gradient."""
    moments = 2 if settings.optimizer == "adamw" else 1
    averages = isinstance(settings, RetrainSettings) and settings.keep == "average"
    return moments + averages


def step_size(settings: TrainingSettings, tile_size: int) -> int:
    """Return the side of what a step trains on, in pixels."""
    return min(settings.crop, tile_size) if settings.crop else tile_size


def _needed(estimate: StepEstimate) -> float:
    return HEADROOM * estimate.total_bytes


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free for tensors on a device; None where it is unknown."""
    if device.type == "cuda":
        # What torch holds and does not use at the moment is free as well.
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + idle
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    free = int(psutil.virtual_memory().available)
    limit = memory_left()
    return free if limit is None else min(free, limit)


def _known(name: str) -> ExecutionMode:
    for mode in get_args(ExecutionMode):
        if mode == name:
            return cast(ExecutionMode, mode)
    raise RunStateError(
        f"the stage was executed in a way that is unknown here ({name!r}).", "Give mode=auto."
    )
