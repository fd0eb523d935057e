"""What a stage of a run will take: told before it is begun."""

from dataclasses import dataclass

from dnas_cli.nets.step_estimate import StepEstimate
from dnas_cli.nets.training_pass.executor import ExecutionMode


@dataclass(frozen=True)
class StagePlan:
    """What one stage will take.

    Attributes:
        name: `stage 1` to `stage 3`, or `retraining`.
        assumed: What stands for codings that are not there yet; empty where they all are.
        edges: Edges of the network.
        memory: How it will be executed.
        batch: Tiles per step.
        size: Side of what a step trains on, in pixels.
        epochs: Epochs.
        weight_epochs: Epochs at the beginning in which only the weights learn.
        steps: Steps per epoch.
        estimate: Of a step of the weights.
        weight_seconds: Measured time of a step of the weights; None where the free memory is too
            small to take one.
        both_seconds: The same in later epochs: of the weights, and in a search of the logits, too.
    """

    name: str
    assumed: str
    edges: int
    memory: ExecutionMode
    batch: int
    size: int
    epochs: int
    weight_epochs: int
    steps: int
    estimate: StepEstimate
    weight_seconds: float | None
    both_seconds: float | None

    @property
    def epoch_seconds(self) -> float | None:
        """Time of a later epoch, in which all learn that shall; validation is left out."""
        return None if self.both_seconds is None else self.steps * self.both_seconds

    @property
    def seconds(self) -> float | None:
        """Time of all epochs; validation is left out."""
        if self.weight_seconds is None or self.both_seconds is None:
            return None
        later = self.epochs - self.weight_epochs
        return self.steps * (self.weight_epochs * self.weight_seconds + later * self.both_seconds)
