"""What a search and a retraining have in common: where to compute, how to validate and log."""

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from dnas_cli.console import logger, progress
from dnas_cli.errors import UsageError
from dnas_cli.evaluation.tiles import evaluate_tiles
from dnas_cli.metrics import Metrics
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.network import Network, NetworkShape
from dnas_cli.nets.operators import GlobalAveragePool
from dnas_cli.nets.training_pass.executor import ExecutionMode
from dnas_cli.run.directory import Run
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.settings import TrainingSettings

ExecutionChoice = Literal["auto"] | ExecutionMode


@dataclass(frozen=True)
class ComputeOptions:
    """How to compute, apart from what is computed.

    Attributes:
        device: Name of the device.
        workers: Processes that load tiles; -1 chooses by the device.
        checkpoint_every: Minutes between checkpoints inside an epoch.
        on_divergence: `stop`, or `backoff` to go back once and on with a lower learning rate.
        deterministic: Use only operations that give the same bits every time (on a GPU).
        memory: How the network is executed; `auto` goes on as before, or chooses by the free
            memory.
    """

    device: str = "auto"
    workers: int = -1
    checkpoint_every: float = 10.0
    on_divergence: Literal["stop", "backoff"] = "stop"
    deterministic: bool = False
    memory: ExecutionChoice = "auto"

    @property
    def options(self) -> str:
        """What of it has to be repeated on the command line to go on in the same way."""
        told = f" --device {self.device}" if self.device != "auto" else ""
        told += " --on-divergence backoff" if self.on_divergence == "backoff" else ""
        return told + (" --deterministic" if self.deterministic else "")

    def resolve(self) -> tuple[torch.device, int]:
        """Return the device and the number of workers."""
        if self.workers < -1:
            raise UsageError(f"--workers {self.workers}: must be 0 or more.")
        if not self.checkpoint_every >= 0:
            raise UsageError(f"--checkpoint-every {self.checkpoint_every}: must be 0 or more.")
        device = resolve_device(self.device)
        # On a CPU the network itself keeps every core busy; a GPU wants its tiles brought to it.
        chosen = (4 if device.type == "cuda" else 0) if self.workers == -1 else self.workers
        return device, chosen


def network_shape(tiles: TileSet, width: int) -> NetworkShape:
    """Return the shape of a network for a tile set."""
    return NetworkShape(width, len(tiles.bands), len(tiles.classes))


def class_pixels(tiles: TileSet) -> list[int]:
    """Return how many pixels each class has in the training split."""
    return list(tiles.class_pixels("train").values())


def check_batch(settings: TrainingSettings, network: Network) -> None:
    """Say before starting what cannot work.

    Raises:
        UsageError: A batch of one tile cannot train global average pooling.
    """
    pools = any(isinstance(module, GlobalAveragePool) for module in network.modules())
    if pools and settings.batch < 2:
        raise UsageError(
            "--batch 1: global_average_pool normalises over the batch, which must hold two tiles.",
            "Give --batch 2 or more.",
        )


def warn_crop_beyond_tiles(settings: TrainingSettings, tile_size: int) -> None:
    """Warn of crops smaller than the tiles that validation is on.

    On a small map the outer weights of a wide convolution see nothing but padding and never learn;
    on a larger one they say anything, up to a dozen pixels of the coarsest scale from the border.
    """
    if 0 < settings.crop < tile_size:
        logger.warning(
            "--crop %d: trains on less than the tiles of %d px that it is validated on. Wide "
            "convolutions do not learn what is beyond a crop; tiles of that size would be better.",
            settings.crop,
            tile_size,
        )


def seed_everything(seed: int, stream: int) -> None:
    """Seed what is random outside the sampler: first weights, first logits, dropout."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1)[0]
    torch.manual_seed(int(state))
    random.seed(int(state))


def validator(
    network: Network, tiles: TileSet, device: torch.device, batch: int
) -> Callable[[Callable[[], None]], Metrics | None]:
    """Return the function that scores a network on the validation split.

    It calls its argument after each batch; what that raises ends the validation.
    """

    def validate(check_interruption: Callable[[], None]) -> Metrics | None:
        total, bands = len(tiles.split("val")), tuple(range(len(tiles.bands)))
        network.eval()
        try:
            with progress("validation", total, "tile") as advance:

                def advanced(count: int) -> None:
                    advance(count)
                    check_interruption()

                matrix = evaluate_tiles(
                    network, tiles.normalisation, tiles, "val", device, bands, batch, advanced
                )
        finally:
            network.train()
        return matrix.metrics() if matrix.pixels else None

    return validate


@contextmanager
def logged(run: Run) -> Iterator[None]:
    """Write the log into the run as well while the block lasts."""
    handler = _RunLog(run.log_path, encoding="utf-8", delay=True, errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with suppress(OSError):
            handler.close()


class _RunLog(logging.FileHandler):
    """A log that no full disk stops: its lines are on standard error as well."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # opening it can fail, which is no error of the handler yet
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        return
