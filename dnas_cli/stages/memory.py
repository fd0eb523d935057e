"""Which execution of a network fits the memory that is free."""

import torch

from dnas_cli.console import as_bytes, logger
from dnas_cli.errors import RunStateError
from dnas_cli.nets.device import free_memory
from dnas_cli.nets.estimates import StepEstimate, estimate_step
from dnas_cli.nets.execution import MEMORIES, Memory
from dnas_cli.nets.network import Network
from dnas_cli.run.manifest import StageRecord
from dnas_cli.stages.execution import MemoryChoice
from dnas_cli.training.settings import TrainingSettings

_HEADROOM = 1.5  # gradients of activations, what kernels need for themselves, tiles on their way


def choose_memory(
    network: Network,
    choice: MemoryChoice,
    record: StageRecord | None,
    settings: TrainingSettings,
    tile_size: int,
    device: torch.device,
) -> Memory:
    """Return how to execute a stage's network.

    A stage goes on as it was begun, so that its bits do not depend on what else the machine does;
    only an explicit choice changes that. A new one is executed fast where that fits.

    Args:
        network: The plain network.
        choice: What the user said.
        record: What is known of the stage.
        settings: Batch and crop.
        tile_size: Side of the tiles.
        device: Where it will run.
    """
    recorded = record.memory if record is not None else ""
    if choice != "auto":
        if recorded not in ("", choice):
            logger.info(
                "goes on with --memory %s, not %s: the same but for rounding", choice, recorded
            )
        return choice
    if recorded:
        return _known(recorded)
    size = step_size(settings, tile_size)
    free = free_memory(device)
    if free is None:
        return "fast"
    modes: tuple[Memory, ...] = ("fast", "low")
    needs = {
        memory: needed_memory(estimate_step(network, memory, settings.batch, size))
        for memory in modes
    }
    if needs["fast"] <= free:
        return "fast"
    logger.info(
        "training fast would need about %s, and %s are free: --memory low is used",
        as_bytes(needs["fast"]),
        as_bytes(free),
    )
    if needs["low"] > free:
        logger.warning(
            "even that needs about %s. A smaller --batch or --crop needs less.",
            as_bytes(needs["low"]),
        )
    return "low"


def needed_memory(estimate: StepEstimate) -> float:
    """Return the bytes that must be free for a step that is estimated so."""
    return _HEADROOM * estimate.total_bytes


def step_size(settings: TrainingSettings, tile_size: int) -> int:
    """Return the side of what a step trains on, in pixels."""
    return min(settings.crop, tile_size) if settings.crop else tile_size


def _known(name: str) -> Memory:
    for memory in MEMORIES:
        if memory == name:
            return memory
    raise RunStateError(
        f"the stage was executed in a way that is unknown here ({name!r}).", "Give --memory."
    )
