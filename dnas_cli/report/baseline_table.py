"""A baseline as text for the terminal, and as a table of its members."""

from collections.abc import Sequence
from pathlib import Path

from dnas_cli.evaluation.baseline_figures import FOUND, RANDOM, Comparison, Member
from dnas_cli.files import remove_leftovers, write_csv

_COLUMNS = (
    "name", "seed", "split", "parameters", "multiply_accumulates", "supernet_mean_iou",
    "val_mean_iou",
)  # fmt: skip


def baseline_text(comparison: Comparison, members: Sequence[Member]) -> list[str]:
    """Return what a comparison says, in a few lines; also where the found network loses."""
    names = {member.name for member in members if member.name.startswith(RANDOM)}
    seeds = {member.seed for member in members}
    split = members[0].split
    found, random = comparison.found, comparison.random
    lines = [
        f"mIoU on {split}, mean of {len(seeds)} seeds",
        f"  found            {found:.4f}{_spread(comparison.found_spread, 'between seeds')}",
        f"  {len(names)} random         {random:.4f}"
        f"{_spread(comparison.random_spread, 'between them')}, best {comparison.best_random:.4f}",
        f"The found network is above {comparison.percentile:.0f} % of the random ones; "
        f"{comparison.difference:+.4f} to their mean ({100 * comparison.relative:+.1f} %).",
    ]
    lines[3:3] = [_peer_line(name, score, members) for name, score in comparison.peers.items()]
    lines += [_beside(name, found - score) for name, score in comparison.peers.items()]
    if comparison.interval is not None:
        low, high = comparison.interval
        lines.append(f"95 % over draws of scenes or tiles: {low:+.4f} to {high:+.4f}.")
    if comparison.rank_agreement is not None:
        lines.append(f"Kendall's tau of validation and {split}: {comparison.rank_agreement:.2f}.")
    if comparison.supernet_agreement is not None:
        agreement = comparison.supernet_agreement
        lines.append(f"Kendall's tau of the supernet's scores and {split}: {agreement:.2f}.")
    return lines


def _peer_line(name: str, score: float, members: Sequence[Member]) -> str:
    weights = next(member.parameters for member in members if member.name == name)
    return f"  {name:16} {score:.4f}, {weights / 1e6:.2f} M weights"


def _beside(name: str, difference: float) -> str:
    place = "above" if difference > 0 else "below"
    return f"The found network is {abs(difference):.4f} {place} {name}."


def baseline_line(comparison: Comparison) -> str:
    """Return what a comparison says, in one line."""
    parts = [
        f"mIoU {comparison.found:.4f}, random {comparison.random:.4f}; "
        f"above {comparison.percentile:.0f} % of them"
    ]
    parts += [f"{name} {score:.4f}" for name, score in comparison.peers.items()]
    return "; ".join(parts)


def write_baseline_csv(path: Path, members: Sequence[Member]) -> None:
    """Write one row per member."""
    rows: list[list[object]] = [[*_COLUMNS, "mean_iou"]]
    for member in sorted(members, key=lambda item: (item.name != FOUND, item.name, item.seed)):
        rows.append([*(getattr(member, column) for column in _COLUMNS), member.mean_iou])
    remove_leftovers(path.parent, path.name)
    write_csv(path, rows)


def _spread(value: float | None, between: str) -> str:
    return "" if value is None else f", deviation {between} {value:.4f}"
