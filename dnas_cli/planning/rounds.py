"""Epochs, steps and validations of stages, and the time that they take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dnas_cli.planning.measurements import RETRAINING, SEARCHES, DataFacts, Size, StepTime

LOGIT_STEPS = 60
"""Fewest steps of the logits per stage. Adam moves a logit by the learning rate at most: at 0.1, 60
steps move it by 6, a probability from 1/2 to 0.998."""

WARMUP = 0.33
MOST_EPOCHS = {**dict.fromkeys(SEARCHES, 60), RETRAINING: 200}  # the paper's
_FEWEST_EPOCHS = {**dict.fromkeys(SEARCHES, 6), RETRAINING: 20}
"""Where fewer passes over the tiles fit, an epoch shows some of them: 2 epochs with a third of them
for the weights alone would be a half, and the time of a retraining would come in eighths."""

_VALIDATION_SHARE = 0.05  # of the time of the steps
SCORING = 0.45
"""Time of a forward pass and its scoring, where a step of the weights is 1."""


@dataclass(frozen=True)
class Rounds:
    """How a stage trains.

    Attributes:
        epochs: Epochs.
        steps: Steps per epoch.
        every: Epochs between validations; the last is always validated.
        whole: Whether an epoch is a pass over all tiles.
    """

    epochs: int
    steps: int
    every: int
    whole: bool

    @property
    def all_steps(self) -> int:
        """Steps of all epochs."""
        return self.epochs * self.steps

    @property
    def logit_steps(self) -> int:
        """Steps of the logits, of a search."""
        return (self.epochs - _weight_epochs(self.epochs)) * self.steps

    @property
    def validations(self) -> int:
        """How often it validates."""
        return math.ceil(self.epochs / self.every)

    def seconds(self, step: StepTime, size: Size, data: DataFacts) -> float:
        """Return the time that they take.

        Args:
            step: Of the stage.
            size: Its batch counts.
            data: Its tiles to validate count.
        """
        alone = 0 if step.stage == RETRAINING else _weight_epochs(self.epochs)
        training = alone * step.weights + (self.epochs - alone) * step.full
        return self.steps * training + self.validations * _validation(size, data) * step.weights


def fewest(stage: str, size: Size, data: DataFacts) -> Rounds:
    """Return the fewest steps of a stage: in a search those in which logits decide."""
    if stage == RETRAINING:
        return _rounds(stage, size, data, 1)
    epochs, whole = _FEWEST_EPOCHS[stage], _pass(stage, size, data)
    while True:
        learning = epochs - _weight_epochs(epochs)
        steps = min(math.ceil(LOGIT_STEPS / learning), whole)
        if learning * steps >= LOGIT_STEPS:
            return _made(stage, size, data, epochs, steps)
        epochs += 1


def rounds_within(
    steps: Sequence[StepTime], size: Size, data: DataFacts, seconds: float
) -> Rounds | None:
    """Return the most steps of one or several stages alike that take no longer than a time.

    Args:
        steps: Of the stages.
        size: Of the networks.
        data: The tile set.
        seconds: For all of them together.

    Returns:
        None where the fewest take longer.
    """
    stage = steps[0].stage
    least = fewest(stage, size, data)
    found = _rounds(stage, size, data, seconds / sum(step.weights for step in steps))
    while found.all_steps > least.all_steps:
        taken = sum(found.seconds(step, size, data) for step in steps)
        if taken <= seconds and (stage == RETRAINING or found.logit_steps >= LOGIT_STEPS):
            return found
        fewer = min(found.all_steps * seconds / taken, found.all_steps - 1)
        found = _rounds(stage, size, data, fewer)
    return least if sum(least.seconds(step, size, data) for step in steps) <= seconds else None


def _rounds(stage: str, size: Size, data: DataFacts, steps: float) -> Rounds:
    """Return at most so many steps: in passes over all tiles, or few of them in parts."""
    whole, few = _pass(stage, size, data), _FEWEST_EPOCHS[stage]
    epochs = min(int(steps / whole), MOST_EPOCHS[stage])
    if epochs < few:
        return _made(stage, size, data, few, max(int(steps / few), 1))
    return _made(stage, size, data, epochs, whole)


def _made(stage: str, size: Size, data: DataFacts, epochs: int, steps: int) -> Rounds:
    every = math.ceil(_validation(size, data) / (_VALIDATION_SHARE * steps))
    every = min(max(every, 1), epochs)
    return Rounds(epochs, steps, every, steps == _pass(stage, size, data))


def _pass(stage: str, size: Size, data: DataFacts) -> int:
    """Return the steps of a pass over the tiles of a stage; a search has halves of them."""
    tiles = data.train if stage == RETRAINING else data.train // 2
    return max(tiles // size.batch, 1)


def _validation(size: Size, data: DataFacts) -> float:
    """Return the time of a validation, in steps of the weights."""
    return data.val / size.batch * SCORING


def _weight_epochs(epochs: int) -> int:
    return min(round(WARMUP * epochs), epochs - 1)
