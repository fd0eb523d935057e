"""What may be done after every epoch of a stage beside training: a small protocol of callbacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.run.directory import Run
from dnas_cli.scenes.palette import LandClass


@dataclass(frozen=True)
class EpochEnd:
    """An epoch has ended; its rows and its checkpoint are written.

    Attributes:
        stage: `stage1` to `stage3`, or `retrain`.
        epochs_done: Epochs of the stage that are complete.
        classes: Of the data.
        confusion: Of the validation split, where the epoch was validated.
    """

    run: Run
    stage: str
    epochs_done: int
    classes: tuple[LandClass, ...]
    confusion: ConfusionMatrix | None


class EpochCallback(Protocol):
    """Called after every epoch. It may read the run and write files; training is not changed.

    What it raises ends the training; the epoch is saved by then.
    """

    def __call__(self, end: EpochEnd) -> None:
        """Do something with what the run holds by now."""


EpochCallbacks = Sequence[EpochCallback]

OnEpoch = EpochCallback | EpochCallbacks


def every(on_epoch: OnEpoch) -> EpochCallbacks:
    """Return callbacks as a sequence, of one alone as well."""
    return (on_epoch,) if callable(on_epoch) else on_epoch
