"""The input of the training loop."""

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
    """The logits of a search after an epoch.

    Attributes:
        facts: For the history.
        logits: For `logits.jsonl`, by key.
        warning: What looks wrong, if anything.
    """

    facts: dict[str, Any]
    logits: dict[str, float] | None = None
    warning: str = ""


@dataclass(frozen=True)
class Job:
    """One training, as the loop runs it.

    Attributes:
        title: Its name in progress and log.
        steps: Its steps.
        schedule: Epochs and learning rates.
        files: Checkpoints and history.
        identity: Hash of the space or architecture; a checkpoint of another is refused.
        validate: Scores the network on the validation split, with a callback after each batch;
            None if no pixel is labelled.
        describe: Called after each epoch.
        resume_command: The command that resumes after an interruption.
        on_epoch: Called after each epoch with the number of epochs done.
        interruption: Whether a signal asked to save or to stop.
        checkpoint_every: Seconds between checkpoints inside an epoch.
        may_back_off: Whether diverging training returns once and continues with a lower rate.
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
