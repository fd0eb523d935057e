"""The cost of a model as text, with styles on a terminal."""

from collections.abc import Callable

from rich.table import Table

from dnas_cli.model.cost import ModelCost
from dnas_cli.nets.cost import CostCount
from dnas_cli.report.tables import print_parts, table


def print_model_cost(cost: ModelCost) -> None:
    """Print the cost to standard output, with the published count of an imported model."""
    notes = _footnotes(cost) if _has_dead_cells(cost) else []
    if cost.check is not None:
        notes.append(f"ptflops {'agrees' if cost.agrees else 'DISAGREES'} with this count.")
    print_parts(cost_table(cost), *notes)


def cost_table(cost: ModelCost) -> Table:
    """Return the cost as a table, each row named for what it counts."""
    columns = {"this network": cost.network}
    if _has_dead_cells(cost):
        columns["as published"] = cost.published
    if cost.check is not None:
        columns["ptflops"] = cost.check
    made = table(f"one tile of {cost.bands} x {cost.height} x {cost.width}", *columns)
    rows: dict[str, Callable[[CostCount], str]] = {
        "multiply-accumulates of convolutions, with bias (ptflops, aten backend)": lambda count: (
            f"{count.multiply_accumulates / 1e9:.2f} G"
        ),
        "operations of all layers (published as GFLOPs)": lambda count: (
            f"{count.layer_operations / 1e9:.2f} G"
        ),
        "outputs of all layers, in 2^20 bytes (published as memory)": lambda count: (
            "" if count is cost.check else f"{count.layer_output_bytes / 2**20:.1f} MB"
        ),
        "parameters of live cells": lambda count: f"{count.parameters / 1e6:.3f} M",
    }
    for title, text in rows.items():
        made.add_row(title, *map(text, columns.values()))
    if cost.timing is not None:
        blank = [""] * (len(columns) - 1)
        made.add_row(f"time ({cost.timing.device})", f"{cost.timing.milliseconds:.1f} ms", *blank)
    return made


def _has_dead_cells(cost: ModelCost) -> bool:
    return cost.published != cost.network or cost.without_input != CostCount()


def _footnotes(cost: ModelCost) -> list[str]:
    no_output, no_input = cost.without_output, cost.without_input
    total = cost.published + no_input
    return [
        "As published: with the cells that reach no output, which the first release runs "
        f"({no_output.layer_operations / 1e9:.2f} G, {no_output.parameters / 1e6:.3f} M).",
        "Cells without an input would add "
        f"{no_input.parameters / 1e6:.3f} M parameters ({total.parameters / 1e6:.3f} M in all).",
    ]
