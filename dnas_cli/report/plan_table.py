"""A plan of stages as text for the terminal."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from dnas_cli.console import as_bytes
from dnas_cli.training.stage_plan import StagePlan

_WIDTH = 130  # columns where there is no terminal to ask


def print_plan(plans: list[StagePlan]) -> None:
    """Print what every stage will take to standard output."""
    console = Console(
        file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _WIDTH
    )
    console.print(plan_table(plans))
    for plan in plans:
        if plan.assumed:
            console.print(f"{plan.name}: estimated for {plan.assumed}", soft_wrap=True)
    console.print(
        "Optimizer (with gradients) and activations: bytes in a step; arithmetic: its "
        "multiply-accumulates.\nTimes are of measured steps, without loading and validation.",
        soft_wrap=True,
    )


def plan_table(plans: list[StagePlan]) -> Table:
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
    for plan in plans:
        estimate = plan.estimate
        table.add_row(
            plan.name,
            str(plan.edges),
            plan.memory,
            f"{plan.batch} x {plan.size} px",
            f"{estimate.parameters / 1e6:.2f} M",
            as_bytes(estimate.optimizer_bytes),
            as_bytes(estimate.activation_bytes),
            f"{estimate.multiply_accumulates / 1e9:.0f} G",
            *(
                (
                    _as_time(plan.both_seconds),
                    _as_time(plan.epoch_seconds),
                    str(plan.epochs),
                    _as_time(plan.seconds),
                )
                if plan.seconds is not None
                else ("does not fit", "", str(plan.epochs), "")
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
