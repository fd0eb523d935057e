"""The cost of a model as text, with styles on a terminal."""

from rich.table import Table

from dnas_cli.model.cost import ModelCost
from dnas_cli.nets.cost import CostCount
from dnas_cli.report.tables import print_parts, table


def print_model_cost(cost: ModelCost) -> None:
    """Print the cost to standard output, for an imported model with the published count."""
    differs = cost.published != cost.network or cost.without_input != CostCount()
    print_parts(cost_table(cost), *([_footnote(cost)] if differs else []))


def cost_table(cost: ModelCost) -> Table:
    """Return the cost as a table, each row named for what it counts."""
    columns = [("this network", cost.network)]
    if cost.published != cost.network or cost.without_input != CostCount():
        columns.append(("as published", cost.published))
    size = f"one tile of {cost.bands} x {cost.height} x {cost.width}"
    made = table(size, *(title for title, _ in columns))
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
        made.add_row(title, *values)
    if cost.timing is not None:
        blank = [""] * (len(columns) - 1)
        made.add_row(f"time ({cost.timing.device})", f"{cost.timing.milliseconds:.1f} ms", *blank)
    return made


def _footnote(cost: ModelCost) -> str:
    no_output, no_input = cost.without_output, cost.without_input
    total = cost.published + no_input
    return (
        "As published: with the cells that reach no output, which the first release runs "
        f"({no_output.layer_operations / 1e9:.2f} G, {no_output.parameters / 1e6:.3f} M).\n"
        "Cells without an input would add "
        f"{no_input.parameters / 1e6:.3f} M parameters ({total.parameters / 1e6:.3f} M in all)."
    )
