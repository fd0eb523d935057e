"""Decoding under a target of multiply-accumulates or time, stage by stage.

Stage 3 keeps the promise exactly: the network that is decoded costs no more than the target. What
the earlier stages decode is measured with every operator as likely, three to a node, so that what
they leave to the last stage can be met.
"""

from dnas_cli.nets.cost_table import CostTable
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
)
from dnas_cli.space.decoding import ConnectionRule
from dnas_cli.space.decoding_within import connections_within, operators_within, path_within
from dnas_cli.space.logits import Logits, logit_groups


def decode_within(
    space: SearchSpace,
    logits: Logits,
    costs: CostTable,
    target: int,
    rule: ConnectionRule = "positive",
) -> Coding:
    """Return the coding that a stage's logits make most likely among those within the target.

    Args:
        space: The stage's space.
        logits: One per key of `logit_keys(space)`.
        costs: Of the parts of the network.
        target: The largest cost.
        rule: Which connections stage 2 keeps.

    Raises:
        UsageError: Every coding costs more.
        KeyError: A logit is missing.
    """

    graph = space.graph
    if space.stage == 3:
        nodes = graph.nodes
        summed = {node: costs.of_node(graph, node) for node in nodes}
        by_node = dict(zip(nodes, logit_groups(space, logits), strict=True))
        base = costs.ends(graph.outputs)
        chosen = operators_within(graph, by_node, summed, base, target)
        names = tuple(chosen[node] for node in nodes)
        return ArchitectureCoding(graph, names, derived_from=space.hash)
    by_edge = {item: logits[item.key] for item in graph.edges}
    likely = {item: costs.likely(item) for item in graph.edges}
    if space.stage == 1:
        last = {node: costs.ends((node,)) for node in graph.outputs}
        path = path_within(graph, by_edge, likely, last, target)
        return PathCoding(path, derived_from=space.hash)
    connections = connections_within(space.path, by_edge, likely, costs.ends, target, rule)
    return ConnectionCoding(connections, derived_from=space.hash)
