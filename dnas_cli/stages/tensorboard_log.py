"""Writing training for TensorBoard: scalars, confusion as images, logits as histograms."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import UsageError
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.run.history import flat_history
from dnas_cli.run.rows import read_logits
from dnas_cli.scenes.palette import LandClass
from dnas_cli.stages.epoch_callback import EpochEnd

Draw = Callable[[ConfusionMatrix, Sequence[LandClass], str], npt.NDArray[Any]]


class TensorBoardLog:
    """A callback that writes to `RUN/tensorboard/STAGE`.

    The first call of a process writes all epochs so far, so that a resumed stage is shown whole,
    but for the confusion matrices of earlier epochs.

    Args:
        draw: Draws a confusion matrix of these classes as (H, W, 3) uint8.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "log=tensorboard: TensorBoard is not installed.",
                "Install it with: pip install 'dnas[tensorboard]'",
            ) from error
        self._new_writer = SummaryWriter
        self._writers: dict[str, SummaryWriter] = {}
        self._written: dict[str, int] = {}

    def __call__(self, end: EpochEnd) -> None:
        """Write the epochs that are not written yet."""
        folder = end.run.stage_folder(end.stage)
        known = self._written.get(end.stage, 0)
        if end.stage not in self._writers:
            target = str(end.run.root / "tensorboard" / end.stage)
            self._writers[end.stage] = self._new_writer(target, purge_step=1)
        writer = self._writers[end.stage]
        for row in flat_history(folder)[known:]:
            epoch = int(row.pop("epoch"))
            for name, value in row.items():
                if not isinstance(value, str):
                    writer.add_scalar(name, value, epoch)
        for logits in read_logits(folder / "logits.jsonl")[known:]:
            values = np.array(list(logits["logits"].values()))
            writer.add_histogram("logits", values, logits["epoch"] + 1)
        if end.confusion is not None and end.confusion.pixels:
            picture = self._draw(end.confusion, end.classes, f"epoch {end.epochs_done}")
            writer.add_image("confusion", picture, end.epochs_done, dataformats="HWC")
        writer.flush()
        self._written[end.stage] = end.epochs_done
