"""Prints the seconds that the plan of a finished run predicted, and those that its parts took.

    python -m benchmarks.planned_times RUN

Stages were predicted twice: before the run from steps of an assumed network, for the epochs that
they got in the end, and at their start from steps of their own. Both should be within 20 % of the
seconds taken, on a machine that does nothing else.
"""

import sys
from pathlib import Path

from dnas_cli.planning.plan import Plan, StagePlan, read_plan
from dnas_cli.planning.replan import rounds_of

_ALLOWED = 0.2


def main() -> None:
    """Print the table of a run."""
    root = Path(sys.argv[1])
    plan = read_plan(root)
    if plan is None or not all(item.taken for item in plan.stages):
        sys.exit(f"{root}: is not a finished run with a plan.")
    print(f"{'seconds':22}{'before':>9}{'at start':>10}{'taken':>9}{'before':>9}{'at start':>10}")
    for item in plan.stages:
        _row(item.name, _before(plan, item), item.seconds, item.taken)
    _row("evaluation and page", plan.closing, plan.closing, plan.closed)
    starts = plan.measuring + len(plan.stages) * plan.starting
    _row("measuring and starts", starts, starts, plan.spent)
    _row("in all", plan.budget, plan.budget, plan.seconds)


def _before(plan: Plan, item: StagePlan) -> float:
    step = next(step for step in plan.measured if step.stage == item.name)
    return rounds_of(item).seconds(step, plan.size, plan.data)


def _row(name: str, before: float, start: float, taken: float) -> None:
    shares = (before / taken - 1, start / taken - 1)
    marks = "".join(f"{share:>+9.0%}{' ' if abs(share) <= _ALLOWED else '!'}" for share in shares)
    print(f"{name:22}{before:9.1f}{start:10.1f}{taken:9.1f}{marks}")


if __name__ == "__main__":
    main()
