"""The estimates of a dry run as text for the terminal."""

import textwrap
from typing import TYPE_CHECKING

from rich.table import Table

from dnas_cli.console import as_bytes
from dnas_cli.report.tables import print_parts, table

if TYPE_CHECKING:  # it imports torch, which is not needed to print
    from dnas_cli.stages.dry_run import StageEstimate


def print_dry_run(stages: "list[StageEstimate]") -> None:
    """Print what every stage will take to standard output."""
    notes = [
        *(f"{stage.name}: estimated for {stage.assumed}." for stage in stages if stage.assumed),
        "Optimizer (with gradients) and activations are bytes in a step, operations its "
        "multiply-accumulates. Times are from measured steps, without loading and validation.",
    ]
    print_parts(_table(stages), "", *(line for note in notes for line in textwrap.wrap(note, 80)))


def _table(stages: "list[StageEstimate]") -> Table:
    """Return a column per stage."""
    made = table("", *(stage.name for stage in stages))
    for title, cells in (
        ("edges", [str(stage.edges) for stage in stages]),
        ("memory", [stage.mode for stage in stages]),
        ("a step", [f"{stage.batch} x {stage.size} px" for stage in stages]),
        ("parameters", [f"{stage.step.parameters / 1e6:.2f} M" for stage in stages]),
        ("optimizer", [as_bytes(stage.step.optimizer_bytes) for stage in stages]),
        ("activations", [as_bytes(stage.step.activation_bytes) for stage in stages]),
        ("operations", [f"{stage.step.multiply_accumulates / 1e9:.0f} G" for stage in stages]),
        ("time of a step", [_as_time(stage.full_seconds) for stage in stages]),
        ("time of an epoch", [_as_time(stage.epoch_seconds) for stage in stages]),
        ("epochs", [str(stage.epochs) for stage in stages]),
        ("time in all", [_as_time(stage.seconds) for stage in stages]),
    ):
        made.add_row(title, *cells)
    return made


def _as_time(seconds: float | None) -> str:
    if seconds is None:
        return "does not fit"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 36_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
