"""A baseline as text for the terminal, and as a table of its members."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from dnas_cli.evaluation.baseline_figures import FOUND, Comparison, Member
from dnas_cli.files import write_text

_COLUMNS = ("name", "seed", "split", "parameters", "multiply_accumulates", "val_mean_iou")


def baseline_text(comparison: Comparison, members: Sequence[Member]) -> str:
    """Return what a comparison says, in a few lines; also where the found network loses."""
    names, seeds = {member.name for member in members}, {member.seed for member in members}
    split = members[0].split
    found, random = comparison.found, comparison.random
    lines = [
        f"mIoU on {split}, mean of {len(seeds)} seeds",
        f"  found            {found:.4f}{_spread(comparison.found_spread, 'between seeds')}",
        f"  {len(names) - 1} random         {random:.4f}"
        f"{_spread(comparison.random_spread, 'between them')}, best {comparison.best_random:.4f}",
        f"The found network is above {comparison.percentile:.0f} % of the random ones; "
        f"{comparison.difference:+.4f} to their mean ({100 * comparison.relative:+.1f} %).",
    ]
    if comparison.interval is not None:
        low, high = comparison.interval
        lines.append(f"95 % over draws of scenes: {low:+.4f} to {high:+.4f}.")
    if comparison.rank_agreement is not None:
        lines.append(f"Kendall's tau of validation and {split}: {comparison.rank_agreement:.2f}.")
    return "\n".join(lines)


def write_baseline_csv(path: Path, members: Sequence[Member]) -> None:
    """Write one row per member."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, "mean_iou"])
    for member in sorted(members, key=lambda item: (item.name != FOUND, item.name, item.seed)):
        writer.writerow([*(getattr(member, column) for column in _COLUMNS), member.mean_iou])
    write_text(path, text.getvalue())


def _spread(value: float | None, between: str) -> str:
    return "" if value is None else f", deviation {between} {value:.4f}"
