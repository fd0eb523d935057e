"""The input of the training loop."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dnas_cli.interruption import Interruption
from dnas_cli.metrics import Metrics
from dnas_cli.run.rows import LogitFacts
from dnas_cli.training.ranks import Ranks
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.steps import Steps


@dataclass(frozen=True)
class Description:
    """The logits of a search after an epoch.

    Attributes:
        facts: For `history.jsonl`.
        logits: For `logits.jsonl`, by key.
        warning: What looks wrong, if anything.
    """

    facts: LogitFacts
    logits: dict[str, float] | None = None
    warning: str = ""


@dataclass(frozen=True)
class Asked:
    """What processes that train together agree to do after a step.

    Attributes:
        stop: Save and stop; a signal asks for it.
        save: Save and continue; a signal asks for it.
        due: Save, since it is time to.
    """

    stop: bool
    save: bool
    due: bool

    @property
    def saves(self) -> bool:
        """Whether to save."""
        return self.stop or self.save or self.due


@dataclass(frozen=True)
class Job:
    """One training, as the loop runs it.

    Attributes:
        title: Its name in progress and log.
        schedule: Epochs and learning rates.
        files: Checkpoints and history.
        identity: Hash of the space or architecture; a checkpoint of another is refused.
        validate: Scores the network on the validation split, with a callback now and then; None
            if no pixel is labelled.
        describe: Called after each epoch.
        resume_command: The command that resumes after an interruption.
        on_epoch: Called after each epoch with the number of epochs done.
        interruption: Whether a signal asked to save or to stop.
        checkpoint_every: Seconds between checkpoints inside an epoch.
        seconds_after: Returns the planned time of what follows the stage; None if unknown.
        may_back_off: Whether diverging training returns once and continues with a lower rate.
        ranks: The processes that train together.
        until: Epochs after which training pauses; None trains to the end.
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
    seconds_after: Callable[[], float | None] = lambda: None
    may_back_off: bool = False
    ranks: Ranks = field(default_factory=Ranks)
    until: int | None = None

    @property
    def stop(self) -> int:
        """Epochs after which this training ends, for now or for good."""
        return min(self.schedule.epochs, self.until or self.schedule.epochs)

    def asked(self, due: bool = False) -> "Asked":
        """Return what was asked for in any process; all of them ask at the same steps.

        Args:
            due: Whether a checkpoint is due in this process.
        """
        signals = self.interruption
        stop, save, due = self.ranks.any(signals.requested, signals.save_requested, due)
        if save:
            signals.save_requested = False
        return Asked(stop, save, due)
