"""The facts that a plan is made of: the machine, measured training steps, the data."""

from dataclasses import dataclass

from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.run.manifest import STAGES
from dnas_cli.typed_fields import option

SEARCHES, RETRAINING = STAGES[:-1], STAGES[-1]


@dataclass(frozen=True)
class Machine:
    """The machine.

    Attributes:
        device: `cpu`, or the name of an accelerator.
        threads: Threads that were the fastest.
        one_thread: Time of a step on one thread, as a multiple of that on all; 0 if not measured.
        memory: Bytes that training may use; 0 if unknown.
        workers: Processes that load tiles.
    """

    device: str
    threads: int = option(1, at_least=1, at_most=1024)
    one_thread: float = option(0.0, at_least=0)
    memory: int = option(0, at_least=0, at_most=1 << 50)
    workers: int = option(0, at_least=0)


@dataclass(frozen=True)
class Size:
    """The size of networks and of a step."""

    layers: int = option(5, at_least=2, at_most=64)
    width: int = option(8, at_least=2, at_most=1024)
    head: int = option(64, at_least=1, at_most=4096)
    batch: int = option(4, at_least=1)
    crop: int = option(0, at_least=0)


@dataclass(frozen=True)
class StepTime:
    """A training step of one stage.

    Attributes:
        stage: `stage1` to `stage3`, or `retrain`.
        weights: Seconds of a step of the weights, with the loading of its tiles.
        full: The same with the steps of the logits; in the retraining equal to `weights`.
        memory: Bytes it needs.
    """

    stage: str
    weights: float = option(1.0, above=0)
    full: float = option(1.0, above=0)
    memory: int = option(0, at_least=0, at_most=1 << 50)


@dataclass(frozen=True)
class Candidate:
    """Measured steps of every stage at one size; `memory` is the execution mode."""

    size: Size
    memory: ExecutionMode
    steps: tuple[StepTime, ...]

    def step(self, stage: str) -> StepTime:
        """Return the step of a stage."""
        return next(item for item in self.steps if item.stage == stage)


@dataclass(frozen=True)
class Measurements:
    """What was measured on a machine, from the smallest size up.

    Attributes:
        machine: The machine.
        candidates: Sizes, the smallest first.
        seconds: Time that the measuring took.
    """

    machine: Machine
    candidates: tuple[Candidate, ...]
    seconds: float = option(0.0, at_least=0)


@dataclass(frozen=True)
class DataFacts:
    """What a plan needs of a tile set: tiles per split, their size in pixels, classes.

    `colours` is whether pixels are three bytes, which references need to see once.
    """

    train: int = option(1, at_least=1)
    val: int = option(0, at_least=0)
    test: int = option(0, at_least=0)
    tile_size: int = option(256, at_least=1)
    classes: int = option(2, at_least=1)
    colours: bool = False
