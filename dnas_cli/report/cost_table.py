"""The cost of a model as text, with styles on a terminal."""

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from dnas_cli.model.cost import ModelCost
from dnas_cli.nets.cost import CostCount

_WIDTH = 110  # columns without a terminal


def print_model_cost(cost: ModelCost) -> None:
    """Print the cost to standard output, for an imported model with the published count."""
    console = Console(
        file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _WIDTH
    )
    console.print(cost_table(cost))
    if cost.published != cost.network or cost.without_input != CostCount():
        console.print(_footnote(cost), soft_wrap=True)


def cost_table(cost: ModelCost) -> Table:
    """Return the cost as a table, each row named for what it counts."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(f"one tile of {cost.bands} x {cost.height} x {cost.width}")
    columns = [("this network", cost.network)]
    if cost.published != cost.network or cost.without_input != CostCount():
        columns.append(("as published", cost.published))
    for title, _ in columns:
        table.add_column(title, justify="right")
    for title, values in (
        (
            "multiply-accumulates of convolutions, with bias (ptflops, aten backend)",
            [f"{count.multiply_accumulates / 1e9:.2f} G" for _, count in columns],
        ),
        (
            "operations of all layers (published as GFLOPs)",
            [f"{count.layer_operations / 1e9:.2f} G" for _, count in columns],
        ),
        (
            "outputs of all layers, in 2^20 bytes (published as memory)",
            [f"{count.layer_output_bytes / 2**20:.1f} MB" for _, count in columns],
        ),
        (
            "parameters of live cells",
            [f"{count.parameters / 1e6:.3f} M" for _, count in columns],
        ),
    ):
        table.add_row(title, *values)
    if cost.timing is not None:
        blank = [""] * (len(columns) - 1)
        table.add_row(f"time ({cost.timing.device})", f"{cost.timing.milliseconds:.1f} ms", *blank)
    return table


def _footnote(cost: ModelCost) -> str:
    no_output, no_input = cost.without_output, cost.without_input
    total = cost.published + no_input
    return (
        "As published: with the cells that reach no output, which the first release runs "
        f"({no_output.layer_operations / 1e9:.2f} G, {no_output.parameters / 1e6:.3f} M).\n"
        "Cells without an input would add "
        f"{no_input.parameters / 1e6:.3f} M parameters ({total.parameters / 1e6:.3f} M in all)."
    )
