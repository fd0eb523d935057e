"""What the training loop is given to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dnas_cli.interruption import Interruption
from dnas_cli.metrics import Metrics
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.steps import Steps


@dataclass(frozen=True)
class Description:
    """What a search says about its logits after an epoch.

    Attributes:
        facts: For the history.
        logits: For `logits.jsonl`, by key.
        warning: What looks wrong, if anything does.
    """

    facts: dict[str, Any]
    logits: dict[str, float] | None = None
    warning: str = ""


@dataclass(frozen=True)
class Job:
    """All that the loop needs.

    Attributes:
        title: What is trained, for progress and log.
        steps: What a step does.
        schedule: Epochs and learning rates.
        files: Where checkpoints and history go.
        identity: Hash of the space or architecture; a checkpoint of another is refused.
        validate: Scores the network on the validation split, calling back after each batch; None
            when no pixel is labelled.
        describe: Called after each epoch.
        resume_command: How to go on after an interruption.
        on_epoch: Called with the number of epochs done after each.
        interruption: Tells whether a signal asked to save or to stop.
        checkpoint_every: Seconds between checkpoints inside an epoch.
        may_back_off: Whether training that diverges goes back once and on with a lower rate.
    """

    title: str
    steps: Steps
    schedule: Schedule
    files: StageFiles
    identity: str
    validate: Callable[[Callable[[], None]], Metrics | None]
    describe: Callable[[], Description]
    resume_command: str
    on_epoch: Callable[[int], None]
    interruption: Interruption
    checkpoint_every: float = 600.0
    may_back_off: bool = False
