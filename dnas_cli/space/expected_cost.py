"""The expected cost of what logits decode to, if they were drawn from instead of maximised.

As logits decide, the expected cost of connections and operators approaches that of the decoded
coding. Paths to several ends stay nearly as likely as each other: nothing competes among the ends.
"""

import math
from collections.abc import Mapping, Sequence

from dnas_cli.space.decoding import log_softmax, path_shares
from dnas_cli.space.lattice import Edge, Graph, Node
from dnas_cli.space.operators import KEPT_OPERATORS
from dnas_cli.space.spaces import core_edges


def expected_path_cost(
    graph: Graph,
    logits: Mapping[Edge, float],
    costs: Mapping[Edge, int],
    end_costs: Mapping[Node, int],
) -> float:
    """Return the mean cost of paths that are as likely as their score (method, section 2).

    Args:
        graph: The path-level space.
        logits: One logit per edge.
        costs: Per edge.
        end_costs: Per node of the last layer, the cost of ending there.
    """
    shares = path_shares(graph, logits)
    (first,) = graph.incoming(Node(0, 0))
    weight, cost = {first.target: 1.0}, {first.target: float(costs[first])}
    for node in graph.nodes:
        if node.layer > 0:
            ways = [
                (math.exp(shares[item]) * weight[item.source], cost[item.source] + costs[item])
                for item in graph.incoming(node)
            ]
            weight[node] = math.fsum(share for share, _ in ways)
            cost[node] = math.fsum(share * way for share, way in ways) / weight[node]
    total = math.fsum(weight[node] for node in graph.outputs)
    return math.fsum(
        weight[node] / total * (cost[node] + end_costs[node]) for node in graph.outputs
    )


def expected_connections_cost(
    path: tuple[int, ...], logits: Mapping[Edge, float], costs: Mapping[Edge, int]
) -> float:
    """Return the mean cost of connections that are kept as likely as the sigmoid of their logits.

    Core edges are always kept; what pruning would save is not counted.

    Args:
        logits: One logit per edge of `connection_space(path)`.
        costs: Per edge.
    """
    core = set(core_edges(path))
    return math.fsum(
        cost if item in core else cost / (1 + math.exp(-logits[item]))
        for item, cost in costs.items()
    )


def operator_chances(logits: Sequence[float], keep: int = KEPT_OPERATORS) -> list[float]:
    """Return how likely each operator is among `keep` that are drawn one by one by the softmax.

    What is drawn is not drawn again, so that the chances sum to `keep`.
    """
    chances = [0.0] * len(logits)
    _draw(logits, list(range(len(logits))), 1.0, keep, chances)
    return chances


def _draw(
    logits: Sequence[float], left: list[int], chance: float, keep: int, chances: list[float]
) -> None:
    """Add the chances of all further draws."""
    shares = log_softmax([logits[index] for index in left])
    for index, share in zip(left, shares, strict=True):
        own = chance * math.exp(share)
        chances[index] += own
        if keep > 1 and own > 1e-6:
            _draw(logits, [other for other in left if other != index], own, keep - 1, chances)
