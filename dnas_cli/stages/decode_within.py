"""Decoding under a target of multiply-accumulates, stage by stage.

Stage 3 keeps the promise exactly: the network that is decoded costs no more than the target. What
the earlier stages decode is measured with every operator as likely, three to a node, so that what
they leave to the last stage can be met.
"""

from functools import cache

from dnas_cli.nets.cost import count_cells, count_ends
from dnas_cli.nets.network import NetworkShape
from dnas_cli.space.budget import connections_within, operators_within, path_within
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
)
from dnas_cli.space.decoding import ConnectionRule
from dnas_cli.space.lattice import Edge, Node
from dnas_cli.space.logits import Logits, logit_groups
from dnas_cli.space.operators import KEPT_OPERATORS, OPERATORS


def decode_within(
    space: SearchSpace,
    logits: Logits,
    shape: NetworkShape,
    size: int,
    target: int,
    rule: ConnectionRule = "positive",
) -> Coding:
    """Return the coding that a stage's logits make most likely among those within the target.

    Args:
        space: The stage's space.
        logits: One per key of `logit_keys(space)`.
        shape: Of the network that will be retrained.
        size: Height and width of the image that the target counts for.
        target: Most multiply-accumulates.
        rule: Which connections stage 2 keeps.

    Raises:
        UsageError: Every coding costs more.
        KeyError: A logit is missing.
    """

    def ends(outputs: tuple[Node, ...]) -> int:
        return count_ends(outputs, shape, size, size).multiply_accumulates

    operators = {
        item: _operator_costs(shape, size, item.source.scale, item.target.scale)
        for item in space.graph.edges
    }
    if space.stage == 3:
        nodes = space.graph.nodes
        summed = {
            node: [
                sum(operators[item][k] for item in space.graph.incoming(node))
                for k in range(len(OPERATORS))
            ]
            for node in nodes
        }
        by_node = dict(zip(nodes, logit_groups(space, logits), strict=True))
        base = ends(space.graph.outputs)
        chosen = operators_within(space.graph, by_node, summed, base, target)
        names = tuple(chosen[node] for node in nodes)
        return ArchitectureCoding(space.graph, names, derived_from=space.hash)
    by_edge = {item: logits[item.key] for item in space.graph.edges}
    likely = {
        item: round(KEPT_OPERATORS * sum(costs) / len(costs)) for item, costs in operators.items()
    }
    if space.stage == 1:
        last = {node: ends((node,)) for node in space.graph.outputs}
        path = path_within(space.graph, by_edge, likely, last, target)
        return PathCoding(path, derived_from=space.hash)
    graph = connections_within(space.path, by_edge, likely, ends, target, rule)
    return ConnectionCoding(graph, derived_from=space.hash)


@cache
def _operator_costs(shape: NetworkShape, size: int, source: int, target: int) -> tuple[int, ...]:
    """Return what each operator costs on an edge from one scale to another."""
    item = Edge(Node(1, target), Node(0, source))
    return tuple(
        count_cells({item: (name,)}, shape, size, size).multiply_accumulates for name in OPERATORS
    )
