"""Decoding under a budget: the best coding whose cost is not above it.

Costs add up over edges, so these are shortest paths and knapsacks with two numbers per partial
choice: its cost and its score. Partial choices that another one beats in both are dropped; the
others, the frontier, are searched exhaustively. Budgets and costs are whole numbers of any unit.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from dnas_cli.errors import UsageError
from dnas_cli.space.decoding import ConnectionRule, kept_edges, path_shares
from dnas_cli.space.lattice import Edge, Graph, Node, prune
from dnas_cli.space.operators import KEPT_OPERATORS, OPERATORS
from dnas_cli.space.spaces import core_edges

_MOST = 20_000  # partial choices in a frontier; if more, the best of each range of costs

Choice = tuple[int, float, tuple[object, ...]]
"""Cost, score, and the choices."""


def path_within(
    graph: Graph,
    logits: Mapping[Edge, float],
    costs: Mapping[Edge, int],
    end_costs: Mapping[Node, int],
    budget: int,
) -> tuple[int, ...]:
    """Return the most probable path through the path-level space that the budget allows.

    Args:
        graph: The path-level space.
        logits: One logit per edge.
        costs: Per edge.
        end_costs: Per node of the last layer, the cost of ending there.
        budget: The largest cost of a path.

    Raises:
        UsageError: Every path costs more.
    """
    shares = path_shares(graph, logits)
    (first,) = graph.incoming(Node(0, 0))
    best: dict[Node, list[Choice]] = {Node(0, 0): [(costs[first], 0.0, (0,))]}
    for node in graph.nodes:
        if node.layer > 0:
            best[node] = _frontier(
                (cost + costs[item], score + shares[item], (*path, node.scale))
                for item in graph.incoming(node)
                for cost, score, path in best[item.source]
            )
    ends = [
        (cost + end_costs[node], score, path)
        for node in graph.outputs
        for cost, score, path in best[node]
    ]
    path = _best(ends, budget)[2]
    return tuple(scale for scale in path if isinstance(scale, int))


def connections_within(
    path: tuple[int, ...],
    logits: Mapping[Edge, float],
    costs: Mapping[Edge, int],
    head_cost: Callable[[tuple[Node, ...]], int],
    budget: int,
    rule: ConnectionRule = "positive",
) -> Graph:
    """Return the connections below a path that the budget allows, pruned.

    Of the edges that the rule keeps, those with the largest sum of logits stay. Pruned edges count
    against the budget, so the result can cost less.

    Args:
        logits: One logit per edge of `connection_space(path)`.
        costs: Per edge.
        head_cost: Of the head, by the live nodes of the last layer, finest first.
        budget: The largest cost of the connections.
        rule: As in `kept_edges`.

    Raises:
        UsageError: The core edges alone cost more.
    """
    core, last = core_edges(path), len(path) - 1
    end = Node(last, path[last])
    free = [item for item in kept_edges(path, logits, rule) if item not in core]
    others = sorted({item.target for item in free if item.target.layer == last} - {end})
    found: list[Choice] = []
    for count in range(len(others) + 1):
        for alive in itertools.combinations(others, count):
            base = sum(costs[item] for item in core) + head_cost(tuple(sorted((*alive, end))))
            allowed = [item for item in free if item.target not in others or item.target in alive]
            choices: list[Choice] = [(base, 0.0, ())]
            for item in allowed:
                # By the other rule, a kept logit may be below 0; its edge still has a value.
                value = max(logits[item], 0.0) + 1e-6
                choices = _frontier(
                    [
                        *choices,
                        *(
                            (cost + costs[item], score + value, (*kept, item))
                            for cost, score, kept in choices
                            if cost + costs[item] <= budget
                        ),
                    ]
                )
            found += choices
    kept = _best(found, budget)[2]
    edges = (*core, *(item for item in kept if isinstance(item, Edge)))
    return prune(Graph(len(path), edges))


def operators_within(
    graph: Graph,
    logits: Mapping[Node, Sequence[float]],
    costs: Mapping[Node, Sequence[int]],
    base: int,
    budget: int,
    keep: int = KEPT_OPERATORS,
) -> dict[Node, tuple[str, ...]]:
    """Return the operators per node of the largest sum of logits that the budget allows.

    Args:
        logits: Per node, one per operator.
        costs: Per node, of each operator, over all of its incoming edges.
        base: The cost of the network without operators.
        budget: The largest cost of the network.
        keep: Operators per node.

    Raises:
        UsageError: The cheapest operators cost more.
    """
    groups = [_sets(logits[node], costs[node], keep) for node in graph.nodes]
    rest = sum(min(cost for cost, _, _ in group) for group in groups)
    choices: list[Choice] = [(base, 0.0, ())]
    for group in groups:
        rest -= min(cost for cost, _, _ in group)
        longer = [
            (cost + more, score + value, (*chosen, names))
            for cost, score, chosen in choices
            for more, value, names in group
        ]
        choices = _frontier(item for item in longer if item[0] + rest <= budget) or _frontier(
            longer
        )
    chosen = _best(choices, budget)[2]
    return {
        node: tuple(OPERATORS[index] for index in names)  # type: ignore[attr-defined]
        for node, names in zip(graph.nodes, chosen, strict=True)
    }


def _sets(logits: Sequence[float], costs: Sequence[int], keep: int) -> list[Choice]:
    """Return the sets of operators that no other one beats in cost and score."""
    return _frontier(
        (sum(costs[k] for k in names), math.fsum(logits[k] for k in names), names)
        for names in itertools.combinations(range(len(logits)), keep)
    )


def _frontier(choices: Iterable[Choice]) -> list[Choice]:
    """Return the choices that no other one beats in both, by rising cost and score."""
    found: list[Choice] = []
    for item in sorted(choices, key=lambda choice: (choice[0], -choice[1])):
        if not found or item[1] > found[-1][1]:
            found.append(item)
    if len(found) <= _MOST:
        return found
    lowest, step = found[0][0], (found[-1][0] - found[0][0]) / (_MOST - 1)
    best = {int((item[0] - lowest) / step): item for item in found}  # the last is the best
    return list(best.values())


def _best(choices: Sequence[Choice], budget: int) -> Choice:
    allowed = [item for item in choices if item[0] <= budget]
    if not allowed:
        least = min(cost for cost, _, _ in choices)
        raise UsageError(
            f"the target of {budget:,} is below the cost of the cheapest network, {least:,}.",
            "Give a larger target.",
        )
    return max(allowed, key=lambda item: (item[1], -item[0]))
