"""Options for an existing stage: branch, extend or restart."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.run.manifest import Extension, Rule, StageRecord
from dnas_cli.training.settings_choice import WAYS_OUT
from dnas_cli.typed_fields import option

if TYPE_CHECKING:
    from dnas_cli.run.directory import Run

_PANEL = "Branch and resume"


@dataclass(frozen=True)
class StageOptions:
    """Options for a stage that may exist; the command line has the same.

    Raises:
        UsageError: The options exclude each other.
    """

    branch: Path | None = option(
        None, "Copy the finished stages into a new run and train there.", metavar="NEW_RUN",
        panel=_PANEL,
    )  # fmt: skip
    at_epoch: int | None = option(
        None, "With a branch: decode the previous stage from this epoch.", at_least=1, panel=_PANEL
    )
    extend: int | None = option(None, "Add epochs to a finished stage.", metavar="N", panel=_PANEL)
    extend_rule: Rule = option(
        "final", "Learning rate of added epochs.", flag="--extend-rate", panel=_PANEL
    )
    restart: bool = option(False, "Start the stage over; needs overwrite.", panel=_PANEL)
    overwrite: bool = option(False, "Replace what exists.", panel=_PANEL)

    def __post_init__(self) -> None:
        if self.restart and not self.overwrite:
            raise UsageError(
                "restart=True: removes the stage's results, so it needs overwrite=True."
            )
        if self.overwrite and not self.restart:
            raise UsageError("overwrite=True: needs restart=True here.", f"K{WAYS_OUT[1:]}")
        if self.restart and (self.branch is not None or self.extend is not None):
            raise UsageError("restart=True: excludes branch=... and extend=....")
        if self.at_epoch is not None and self.branch is None:
            raise UsageError(f"at_epoch={self.at_epoch}: needs branch=NEW_RUN.")
        if self.extend is not None and self.extend < 1:
            raise UsageError(f"extend={self.extend}: must be at least 1 epoch.")
        if self.extend is not None and self.branch is not None:
            raise UsageError(f"extend={self.extend}: extends the run itself, not a branch.")

    @property
    def starts_over(self) -> bool:
        """Whether the stage starts from its beginning, even if it exists."""
        return self.restart or self.branch is not None

    def extended(self, run: "Run", stage: str, record: StageRecord | None) -> StageRecord | None:
        """Return a stage's record with the requested extension.

        The same request resumes an interrupted extension.

        Raises:
            RunStateError: The stage is not finished, or later stages build on it.
        """
        if self.extend is None:
            return record
        added = Extension(self.extend, self.extend_rule)
        if record is not None and not record.finished and record.extensions[-1:] == (added,):
            return record
        if record is None or not record.finished:
            raise RunStateError(
                f"{run.root}: {stage} is not finished, so there is nothing to extend.",
                f"Run: {run.next_command()}",
            )
        if not record.settings:
            raise RunStateError(
                f"{run.root}: {stage} was imported; there is no training to extend.",
                "Search in a new run, or start it over with restart=True and overwrite=True.",
            )
        if record.epochs_done < int(record.settings["epochs"]):
            raise RunStateError(
                f"{run.root}: {stage} ended early, by its patience.",
                "For more epochs search in a branch with more patience, or start it over with "
                "restart=True and overwrite=True.",
            )
        if run.has_after(stage):
            raise RunStateError(
                f"{run.root}: later stages build on {stage}.",
                f"Decode it in a branch, and extend it there: dnas decode "
                f"{shlex.quote(str(run.root))} --stage {stage[-1]} --branch NEW_RUN, then dnas "
                f"search NEW_RUN --stage {stage[-1]} --extend {self.extend}",
            )
        return replace(record, phase="started", decoded={}, extensions=(*record.extensions, added))
