"""The learning rate of every step, as a function of the step alone."""

import math
from dataclasses import dataclass

from dnas_cli.run.manifest import Extension
from dnas_cli.run.settings import TrainingSettings

_COLDEST = 0.01  # of the first rate: the very first step of a warm-up learns a little
_POWER = 0.9


@dataclass(frozen=True)
class Schedule:
    """A warm-up, the way from the first learning rate to the final one, then any extensions.

    Without a warm-up the first step has the first rate. During a warm-up the rate grows linearly.

    Attributes:
        settings: Epochs and learning rates.
        extensions: In their order.
    """

    settings: TrainingSettings
    extensions: tuple[Extension, ...] = ()

    @property
    def epochs(self) -> int:
        """All epochs, with extensions."""
        return self.settings.epochs + sum(item.epochs for item in self.extensions)

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a point of training.

        Args:
            epoch: Epochs done, with their fraction: 2.5 is the middle of the third.
        """
        start, end = self.settings.learning_rate, self.settings.final_learning_rate
        warm_up = self.settings.rate_warm_up * self.settings.epochs
        if epoch < warm_up:
            return start * max(epoch / warm_up, _COLDEST)
        if epoch < self.settings.epochs:
            down = cosine if self.settings.decay == "cosine" else polynomial
            return down(start, end, (epoch - warm_up) / (self.settings.epochs - warm_up))
        epoch -= self.settings.epochs
        for item in self.extensions:
            if epoch < item.epochs:
                return end if item.rule == "final" else cosine(start, end, epoch / item.epochs)
            epoch -= item.epochs
        return end


def polynomial(start: float, end: float, share: float) -> float:
    """Return the value at a share (0 to 1) of the way down, by the power that DeepLab uses."""
    return end + (start - end) * float((1 - share) ** _POWER)


def cosine(start: float, end: float, share: float) -> float:
    """Return the value at a share (0 to 1) of the way from `start` to `end` along a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))
