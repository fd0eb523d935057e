"""The choice of a model's weights after retraining."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from dnas_cli.console import logger, progress
from dnas_cli.errors import DataError, Interrupted
from dnas_cli.evaluation.tiles import normalised_batches
from dnas_cli.nets.network import Network
from dnas_cli.run.rows import read_rows
from dnas_cli.run.settings import Keep, RetrainSettings
from dnas_cli.stages.validation import validator
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.averaging import measure_statistics
from dnas_cli.training.job import Job
from dnas_cli.training.progress import Progress
from dnas_cli.training.stage_files import StageFiles, load_checkpoint

_MOST_TILES = 1024  # to measure the statistics of an average


@dataclass(frozen=True)
class ModelWeights:
    """Weights for a model.

    Attributes:
        state: The network's `state_dict`.
        epoch: Number of their epochs.
        mean_iou: On the validation split; None if not scored.
        averaged: Whether they are an average over steps up to the end of that epoch.
    """

    state: dict[str, Tensor]
    epoch: int
    mean_iou: float | None
    averaged: bool = False


def kept_weights(
    job: Job, trained: Progress, tiles: TileSet, settings: RetrainSettings, device: torch.device
) -> ModelWeights:
    """Return the weights that a finished training keeps: of an epoch, or averaged.

    Of averaged weights, the statistics of batch normalisation are measured again.

    Args:
        job: The training.
        trained: At its end.
        tiles: Statistics come from tiles of the training split, the score from validation.
        settings: Of the retraining.

    Raises:
        Interrupted: A signal arrived; the next call starts again.
        DataError: A checkpoint is damaged, or a tile cannot be read.
    """
    if job.steps.average is None:
        return _of_an_epoch(job.files, trained, settings.keep)
    network = cast(Network, job.steps.average.module)

    def check_interruption() -> None:
        if job.interruption.requested:
            raise Interrupted(
                "retraining: finished, but stopped before the model was written.",
                f"Resume with: {job.resume_command}",
            )

    measure_statistics(network, _training_images(tiles, settings, device, check_interruption))
    metrics = validator(network, tiles, device, settings)(check_interruption)
    if metrics is not None:
        logger.info("retraining: averaged weights, val mIoU %.4f", metrics.mean_iou)
    score = None if metrics is None else metrics.mean_iou
    return ModelWeights(network.state_dict(), trained.epoch, score, averaged=True)


def _of_an_epoch(files: StageFiles, progress: Progress, keep: Keep) -> ModelWeights:
    """Return the weights of the best epoch, or of the last one."""
    chosen = files.best if keep == "best" and progress.best_epoch >= 0 else files.last
    try:
        content = load_checkpoint(chosen)
    except DataError as error:
        raise DataError(
            error.what, "Restore it, or start the stage over with restart=True and overwrite=True."
        ) from error
    if chosen == files.best:
        return ModelWeights(content["network"], int(content["epoch"]) + 1, content["mean_iou"])
    scored = [row["val"]["mean_iou"] for row in read_rows(files.history)[-1:] if "val" in row]
    return ModelWeights(content["network"], progress.epoch, float(scored[0]) if scored else None)


def _training_images(
    tiles: TileSet,
    settings: RetrainSettings,
    device: torch.device,
    check_interruption: Callable[[], None],
) -> Iterator[Tensor]:
    """Yield full batches of training tiles without augmentation, in random order."""
    split = tiles.split("train")
    order = np.random.default_rng(settings.seed).permutation(len(split))[:_MOST_TILES]
    refs, bands = [split[index] for index in order], tuple(range(len(tiles.bands)))
    with progress("statistics of the averaged network", len(refs), "tile") as advance:
        for images, _ in normalised_batches(
            tiles, refs, tiles.normalisation, bands, settings.batch
        ):
            if len(images) == settings.batch:
                yield images.to(device)
            advance(len(images))
            check_interruption()
