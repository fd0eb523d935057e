"""How far training is: the part of a checkpoint that is neither weights nor random state."""

from dataclasses import dataclass, field
from typing import Any

_MOST = 1 << 40  # epochs or steps


@dataclass
class Progress:
    """How far training is.

    Attributes:
        epoch: The epoch under way, from 0.
        step: Steps done in it.
        sums: Per loss, its sum over those steps and how many they were.
        seconds: Time spent in the epoch so far.
        best_metric: Best mean IoU on the validation split so far.
        best_epoch: The epoch it was reached in; -1 before the first validation.
        rate_factor: What learning rates are multiplied by; below 1 after training diverged.
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
        """Build a progress from plain data; ValueError or TypeError if it is none."""
        progress = Progress(**value)
        counts = (progress.epoch, progress.step, progress.best_epoch + 1)
        figures = (progress.seconds, progress.best_metric, progress.rate_factor)
        sums = [number for entry in progress.sums.values() for number in entry]
        if not all(isinstance(number, int) and 0 <= number < _MOST for number in counts):
            raise ValueError("its position is no place in training")
        if not all(isinstance(number, int | float) for number in (*figures, *sums)):
            raise ValueError("its position holds something else than numbers")
        return progress

    def add(self, losses: dict[str, float]) -> None:
        """Count a step and its losses."""
        for name, value in losses.items():
            entry = self.sums.setdefault(name, [0.0, 0])
            entry[0] += value
            entry[1] += 1
        self.step += 1

    def means(self) -> dict[str, float]:
        """Return the mean of each loss over the epoch."""
        return {name: total / count for name, (total, count) in self.sums.items()}

    def next_epoch(self) -> None:
        """Go to the beginning of the next epoch."""
        self.epoch, self.step, self.sums, self.seconds = self.epoch + 1, 0, {}, 0.0
