"""Logits by key, as stored per epoch, and their coding."""

from collections.abc import Mapping

from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
)
from dnas_cli.space.decoding import (
    ConnectionRule,
    decode_connections,
    decode_operators,
    decode_path,
)
from dnas_cli.space.operators import OPERATORS

Logits = Mapping[str, float]


def logit_keys(space: SearchSpace) -> list[str]:
    """Return the keys of a space's logits in the order of its graph.

    `2,0>3,1` is an edge of stages 1 and 2, source first; `3,1/conv1x1` is a node's operator of
    stage 3.
    """
    if space.stage == 3:
        return [f"{node.key}/{name}" for node in space.graph.nodes for name in OPERATORS]
    return [item.key for item in space.graph.edges]


def logit_groups(space: SearchSpace, logits: Logits) -> list[list[float]]:
    """Return the logits that compete with each other, one list per node."""
    if space.stage == 3:
        return [[logits[f"{node.key}/{name}"] for name in OPERATORS] for node in space.graph.nodes]
    return [[logits[item.key] for item in space.graph.incoming(node)] for node in space.graph.nodes]


def decode(space: SearchSpace, logits: Logits, rule: ConnectionRule = "positive") -> Coding:
    """Decode a stage's logits (method, sections 2 to 4).

    Args:
        space: The stage's space.
        logits: One per key of `logit_keys(space)`.
        rule: Which connections stage 2 keeps.

    Raises:
        KeyError: A logit is missing.
    """
    if space.stage == 3:
        by_node = dict(zip(space.graph.nodes, logit_groups(space, logits), strict=True))
        operators = decode_operators(space.graph, by_node)
        names = tuple(operators[node] for node in space.graph.nodes)
        return ArchitectureCoding(space.graph, names, derived_from=space.hash)
    by_edge = {item: logits[item.key] for item in space.graph.edges}
    if space.stage == 1:
        return PathCoding(decode_path(space.graph, by_edge), derived_from=space.hash)
    graph = decode_connections(space.path, by_edge, rule)
    return ConnectionCoding(graph, derived_from=space.hash)
