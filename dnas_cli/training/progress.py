"""The position in training: the part of a checkpoint besides weights and random state."""

from dataclasses import dataclass, field
from typing import Any, cast

from dnas_cli.run.rows import Losses

_MOST = 1 << 40  # epochs or steps


@dataclass
class Progress:
    """The position in training.

    Attributes:
        epoch: The current epoch, from 0.
        step: Finished steps of the epoch.
        sums: Per loss, its sum over those steps and their number.
        seconds: Time of the epoch so far.
        best_metric: Best mean IoU on the validation split so far.
        best_epoch: The epoch of the best mean IoU; -1 before the first validation.
        rate_factor: Factor on learning rates; below 1 after training diverged.
    """

    epoch: int = 0
    step: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    best_metric: float = -1.0
    best_epoch: int = -1
    rate_factor: float = 1.0

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Progress":
        """Build a progress from plain data; ValueError or TypeError if it is invalid."""
        progress = Progress(**value)
        counts = (progress.epoch, progress.step, progress.best_epoch + 1)
        figures = (progress.seconds, progress.best_metric, progress.rate_factor)
        sums = [number for entry in progress.sums.values() for number in entry]
        if not all(isinstance(number, int) and 0 <= number < _MOST for number in counts):
            raise ValueError("its position in training is impossible")
        if not all(isinstance(number, int | float) for number in (*figures, *sums)):
            raise ValueError("its position in training is not numbers")
        return progress

    def add(self, losses: dict[str, float]) -> None:
        """Count the losses of a step."""
        for name, value in losses.items():
            entry = self.sums.setdefault(name, [0.0, 0])
            entry[0] += value
            entry[1] += 1

    def means(self) -> Losses:
        """Return the mean of each loss over the epoch."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        return cast(Losses, means)

    def next_epoch(self) -> None:
        """Advance to the start of the next epoch."""
        self.epoch, self.step, self.sums, self.seconds = self.epoch + 1, 0, {}, 0.0
