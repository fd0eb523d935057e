"""What the logits of a stage said after every epoch: shares, entropies, the decoded coding."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dnas_cli.run.rows import EpochRow
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
)
from dnas_cli.space.decoding import log_softmax, normalised_entropy
from dnas_cli.space.lattice import STEM, Edge, Node
from dnas_cli.space.logits import decode, logit_groups, logit_keys
from dnas_cli.space.operators import OPERATORS


@dataclass(frozen=True)
class EpochLogits:
    """The logits after one epoch.

    Attributes:
        epoch: Counted from 1.
        shares: Softmax of every logit among those it competes with, by the logit's key.
        chosen: Keys of the logits that the coding keeps.
        entropies: By node, as a share of the largest possible; nodes with a choice only.
        logits: By key.
        coding: What they decode to.
    """

    epoch: int
    shares: Mapping[str, float]
    chosen: frozenset[str]
    entropies: Mapping[str, float]
    logits: Mapping[str, float]
    coding: Coding


def trace_logits(space: SearchSpace, rows: Sequence[EpochRow]) -> list[EpochLogits]:
    """Return what the rows of `logits.jsonl` say, epoch by epoch.

    Args:
        space: The stage's search space.
        rows: Each with its `epoch`, counted from 0, and its `logits` by key.
    """
    keys = logit_keys(space)
    trace = []
    for row in rows:
        if set(keys) <= set(row["logits"]):  # else of another space: a file that was edited
            trace.append(_of_epoch(space, keys, row["epoch"] + 1, row["logits"]))
    return trace


def last_change(trace: Sequence[EpochLogits]) -> int | None:
    """Return the epoch in which the decoded coding changed for the last time; None without one."""
    if not trace:
        return None
    changed = trace[0].epoch
    for previous, current in pairwise(trace):
        if current.chosen != previous.chosen:
            changed = current.epoch
    return changed


def chosen_edges(coding: Coding) -> frozenset[str]:
    """Return the keys of the edges of a path, connection or architecture coding."""
    if isinstance(coding, PathCoding):
        nodes = [STEM, *(Node(layer, scale) for layer, scale in enumerate(coding.scales))]
        return frozenset(Edge(b, a).key for a, b in pairwise(nodes))
    assert isinstance(coding, ConnectionCoding | ArchitectureCoding)
    return frozenset(item.key for item in coding.graph.edges)


def _of_epoch(
    space: SearchSpace, keys: Sequence[str], epoch: int, logits: Mapping[str, float]
) -> EpochLogits:
    shares: dict[str, float] = {}
    entropies: dict[str, float] = {}
    names = iter(keys)
    for node, group in zip(space.graph.nodes, logit_groups(space, logits), strict=True):
        shares |= {next(names): math.exp(share) for share in log_softmax(group)}
        if len(group) > 1:
            entropies[node.key] = normalised_entropy([group])
    coding = decode(space, logits)
    if isinstance(coding, ArchitectureCoding):
        chosen = frozenset(
            f"{node.key}/{name}"
            for node, operators in zip(coding.graph.nodes, coding.operators, strict=True)
            for name in operators
        )
    else:
        chosen = chosen_edges(coding)
    return EpochLogits(epoch, shares, chosen, entropies, logits, coding)


def operator_titles(space: SearchSpace, logits: EpochLogits) -> dict[str, str]:
    """Return the operators of every node in stage 3 as text, likeliest first; kept ones starred."""
    titles = {}
    for node in space.graph.nodes:
        keys = sorted((f"{node.key}/{name}" for name in OPERATORS), key=lambda k: -logits.shares[k])
        lines = [
            f"{'* ' if key in logits.chosen else '  '}{key.split('/')[1]} "
            f"{100 * logits.shares[key]:.0f} %"
            for key in keys
        ]
        titles[node.key] = "\n".join([f"node {node.key}", *lines])
    return titles
