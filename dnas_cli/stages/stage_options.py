"""What to do with a stage that exists: branch, extend or restart."""

from dataclasses import dataclass, replace
from pathlib import Path

from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.nets.training_pass.executor import ExecutionMode
from dnas_cli.run.directory import Run
from dnas_cli.run.manifest import StageRecord
from dnas_cli.training.schedule import Extension, Rule
from dnas_cli.training.settings import Preset, TrainingSettings, settings_to_json

WAYS_OUT = (
    "Keep both with --branch NEW_RUN, add epochs to a finished stage with --extend N, or start it "
    "over with --restart --overwrite."
)


@dataclass(frozen=True)
class StageOptions:
    """What to do with a stage that may exist.

    Attributes:
        branch: Take over the finished stages into this new run and go on there.
        at_epoch: With a branch, decode the stage before from this epoch of its search, not as the
            parent did.
        extend: Add this many epochs to a finished stage.
        extend_rule: The learning rate of added epochs.
        restart: Start the stage over; needs `overwrite`, as its results go.
        overwrite: Replacing is allowed.

    Raises:
        UsageError: These do not go together.
    """

    branch: Path | None = None
    at_epoch: int | None = None
    extend: int | None = None
    extend_rule: Rule = "final"
    restart: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.restart and not self.overwrite:
            raise UsageError(
                "--restart: throws away what the stage has learned, and needs --overwrite."
            )
        if self.overwrite and not self.restart:
            raise UsageError("--overwrite: goes with --restart here.", WAYS_OUT)
        if self.restart and (self.branch is not None or self.extend is not None):
            raise UsageError("--restart: goes with neither --branch nor --extend.")
        if self.at_epoch is not None and self.branch is None:
            raise UsageError("--at-epoch: goes with --branch NEW_RUN.")
        if self.extend is not None and self.extend < 1:
            raise UsageError(f"--extend {self.extend}: must be at least 1 epoch.")
        if self.extend is not None and self.branch is not None:
            raise UsageError("--extend: extends the run itself, not a branch.")

    @property
    def starts_over(self) -> bool:
        """Whether the stage starts from nothing, whatever exists of it."""
        return self.restart or self.branch is not None

    def extended(self, run: Run, stage: str, record: StageRecord | None) -> StageRecord | None:
        """Return a stage's record with the requested extension.

        An extension that was interrupted is resumed by the same request.

        Raises:
            RunStateError: The stage is not finished, or later stages were built on it.
        """
        if self.extend is None:
            return record
        added = Extension(self.extend, self.extend_rule).to_json()
        if record is not None and not record.finished and record.extensions[-1:] == [added]:
            return record
        if record is None or not record.finished:
            raise RunStateError(
                f"{run.root}: {stage} is not finished, so there is nothing to extend.",
                f"Run: {run.next_command()}",
            )
        if not record.settings:
            raise RunStateError(
                f"{run.root}: {stage} was imported; there is no training to extend.",
                "Search in a run of its own, or start the stage over with --restart --overwrite.",
            )
        if run.has_after(stage):
            raise RunStateError(
                f"{run.root}: later stages were built on {stage}.",
                "Branch at it, and extend it there.",
            )
        return replace(record, phase="started", decoded={}, extensions=[*record.extensions, added])


def started_record(
    record: StageRecord | None, settings: TrainingSettings, mode: ExecutionMode, preset: Preset
) -> StageRecord:
    """Return the record of a stage that is started or resumed."""
    known = record.preset if record else ""
    return StageRecord(
        "started",
        settings_to_json(settings),
        record.epochs_done if record else 0,
        extensions=record.extensions if record else [],
        memory=mode,
        preset=known or preset,
    )


def extensions(run: Run, record: StageRecord | None) -> tuple[Extension, ...]:
    """Return the extensions that a stage's record holds.

    Raises:
        RunStateError: They are damaged.
    """
    try:
        return tuple(Extension.from_json(item) for item in record.extensions) if record else ()
    except (KeyError, ValueError, TypeError) as error:
        raise RunStateError(
            f"{run.root / 'run.json'}: extensions are damaged ({error})."
        ) from error
