"""The estimates of a dry run as text for the terminal."""

import sys
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from dnas_cli.console import as_bytes

if TYPE_CHECKING:  # it imports torch, which is not needed to print
    from dnas_cli.stages.dry_run import StageEstimate

_WIDTH = 130  # columns without a terminal


def print_dry_run(stages: "list[StageEstimate]") -> None:
    """Print what every stage will take to standard output."""
    console = Console(
        file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _WIDTH
    )
    console.print(_table(stages))
    for stage in stages:
        if stage.assumed:
            console.print(f"{stage.name}: estimated for {stage.assumed}", soft_wrap=True)
    console.print(
        "Optimizer (with gradients) and activations: bytes in a step; arithmetic: its "
        "multiply-accumulates.\nTimes are from measured steps, without loading and validation.",
        soft_wrap=True,
    )


def _table(stages: "list[StageEstimate]") -> Table:
    """Return a row per stage."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for title in (
        "edges",
        "memory",
        "a step",
        "parameters",
        "optimizer",
        "activations",
        "arithmetic",
        "time",
        "epoch",
        "epochs",
        "in all",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for stage in stages:
        step = stage.step
        table.add_row(
            stage.name,
            str(stage.edges),
            stage.mode,
            f"{stage.batch} x {stage.size} px",
            f"{step.parameters / 1e6:.2f} M",
            as_bytes(step.optimizer_bytes),
            as_bytes(step.activation_bytes),
            f"{step.multiply_accumulates / 1e9:.0f} G",
            *(
                (
                    _as_time(stage.full_seconds),
                    _as_time(stage.epoch_seconds),
                    str(stage.epochs),
                    _as_time(stage.seconds),
                )
                if stage.seconds is not None
                else ("does not fit", "", str(stage.epochs), "")
            ),
        )
    return table


def _as_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 600:
        return f"{seconds:.0f} s"
    if seconds < 36_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
