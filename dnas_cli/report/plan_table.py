"""A plan as text for the terminal."""

import textwrap

from dnas_cli.planning.plan import Plan
from dnas_cli.report.run_status import TITLES
from dnas_cli.report.tables import print_parts, table
from dnas_cli.shown_time import shown_time


def print_plan(plan: Plan) -> None:
    """Print a plan to standard output, in 80 columns."""
    size, made = plan.size, table("", "epochs", "steps", "time")
    for item in plan.stages:
        steps = f"{item.epochs * item.steps:,}"
        made.add_row(TITLES[item.name], str(item.epochs), steps, shown_time(item.seconds))
    beside = plan.seconds - sum(item.taken or item.seconds for item in plan.stages)
    made.add_row("measuring, start, decoding, figures, page", "", "", shown_time(beside))
    made.add_row("in all", "", "", shown_time(plan.seconds))
    side = min(size.crop or plan.data.tile_size, plan.data.tile_size)
    lines = [
        f"budget   {shown_time(plan.budget)}",
        f"data     {plan.data.train} tiles to train on, {plan.data.val} to validate, "
        f"{plan.data.test} to test, {plan.data.tile_size} px",
        f"network  {size.layers} layers, width {size.width}, head {size.head}",
        f"a step   {size.batch} tiles of {side} px, --memory {plan.memory}",
    ]
    reasons = [
        line for item in plan.reasons for line in textwrap.wrap(item, 80, subsequent_indent="  ")
    ]
    print_parts(*lines, "", made, "", *reasons)
