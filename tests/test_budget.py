"""Decoding under a budget: equal to trying everything, and never above the budget."""

import itertools
import math
import random
from collections.abc import Sequence

import pytest

from dnas_cli.errors import UsageError
from dnas_cli.space.decoding import (
    decode_connections,
    decode_operators,
    decode_path,
    kept_edges,
    path_shares,
)
from dnas_cli.space.decoding_within import connections_within, operators_within, path_within
from dnas_cli.space.lattice import Edge, Graph, Node, prune
from dnas_cli.space.operators import OPERATORS
from dnas_cli.space.spaces import check_path, connection_space, core_edges, path_space

SEEDS = range(25)


def _drawn(items: Sequence[Edge], seed: int) -> tuple[dict[Edge, float], dict[Edge, int]]:
    draw = random.Random(seed)
    return {item: draw.gauss(0, 1) for item in items}, {item: draw.randint(1, 40) for item in items}


def _paths(layers: int) -> list[tuple[int, ...]]:
    found = []
    for rest in itertools.product(range(4), repeat=layers - 1):
        try:
            check_path((0, *rest))
        except ValueError:
            continue
        found.append((0, *rest))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_path_within_the_budget_is_the_best_of_all_that_are(seed: int) -> None:
    graph = path_space(5)
    logits, costs = _drawn(graph.edges, seed)
    ends = {node: 7 * node.scale + 3 for node in graph.outputs}
    shares, everything = path_shares(graph, logits), []
    for path in _paths(5):
        cost = sum(costs[item] for item in core_edges(path)) + ends[Node(4, path[4])]
        everything.append((cost, sum(shares[item] for item in core_edges(path)[1:]), path))
    for budget in (min(everything)[0], 60, 90, 130, 10_000):
        allowed = [item for item in everything if item[0] <= budget]
        if not allowed:
            continue
        best = max(score for _, score, _ in allowed)
        found = path_within(graph, logits, costs, ends, budget)
        (match,) = [item for item in everything if item[2] == found]
        assert match[0] <= budget
        assert match[1] == pytest.approx(best)
    assert path_within(graph, logits, costs, ends, 10_000) == decode_path(graph, logits)
    with pytest.raises(UsageError, match="below the cost of the cheapest"):
        path_within(graph, logits, costs, ends, min(everything)[0] - 1)


def _head(outputs: tuple[Node, ...]) -> int:
    """Return a cost that, like the real head's, falls with the finest scale that lives."""
    return 60 >> 2 * outputs[0].scale if outputs[0].scale < 3 else 1 + len(outputs)


@pytest.mark.parametrize("seed", SEEDS)
def test_connections_within_the_budget_are_the_best_of_all_that_are(seed: int) -> None:
    path = random.Random(seed).choice([(0, 1, 1), (0, 1, 2), (0, 0, 1)])
    space, core = connection_space(path), core_edges(path)
    logits, costs = _drawn(space.edges, seed)
    free = [item for item in kept_edges(path, logits) if item not in core]
    everything = []
    for count in range(len(free) + 1):
        for chosen in itertools.combinations(free, count):
            kept = Graph(3, (*core, *chosen))
            cost = sum(costs[item] for item in kept.edges) + _head(kept.outputs)
            everything.append((cost, math.fsum(logits[item] for item in chosen), kept))
    for budget in sorted({cost for cost, _, _ in everything})[::3]:
        best = max(score for cost, score, _ in everything if cost <= budget)
        found = connections_within(path, logits, costs, _head, budget)
        assert sum(costs[item] for item in found.edges) + _head(found.outputs) <= budget
        matches = [s for c, s, kept in everything if c <= budget and prune(kept) == found]
        assert max(matches) == pytest.approx(best)
    unlimited = connections_within(path, logits, costs, _head, 10_000)
    assert unlimited == decode_connections(path, logits)


@pytest.mark.parametrize("seed", SEEDS)
def test_operators_within_the_budget_are_the_best_of_all_that_are(seed: int) -> None:
    draw = random.Random(seed)
    graph = Graph(2, core_edges((0, 1)))
    logits = {node: [draw.gauss(0, 1) for _ in OPERATORS] for node in graph.nodes}
    costs = {node: [draw.randint(1, 40) for _ in OPERATORS] for node in graph.nodes}
    sets = list(itertools.combinations(range(len(OPERATORS)), 3))
    everything = [
        (
            5
            + sum(sum(costs[n][k] for k in one) for n, one in zip(graph.nodes, both, strict=True)),
            sum(sum(logits[n][k] for k in one) for n, one in zip(graph.nodes, both, strict=True)),
        )
        for both in itertools.product(sets, repeat=2)
    ]
    for budget in (min(everything)[0], 60, 100, 150):
        if budget < min(everything)[0]:
            continue
        found = operators_within(graph, logits, costs, 5, budget)
        chosen = {node: [OPERATORS.index(name) for name in found[node]] for node in graph.nodes}
        cost = 5 + sum(costs[node][k] for node, names in chosen.items() for k in names)
        score = sum(logits[node][k] for node, names in chosen.items() for k in names)
        assert cost <= budget
        assert score == pytest.approx(max(score for cost, score in everything if cost <= budget))
        assert all(names == sorted(names) for names in chosen.values())
    unlimited = operators_within(graph, logits, costs, 5, 10_000)
    assert unlimited == decode_operators(graph, logits)
    with pytest.raises(UsageError, match="below the cost of the cheapest"):
        operators_within(graph, logits, costs, 5, min(everything)[0] - 1)


def test_large_lattices_stay_within_the_budget() -> None:
    draw = random.Random(0)
    space = connection_space((0, 1, 2, 2, 3, 3, 2, 2, 1, 1, 1, 0))
    logits = {node: [draw.gauss(0, 1) for _ in OPERATORS] for node in space.nodes}
    costs = {node: [draw.randint(10**6, 10**9) for _ in OPERATORS] for node in space.nodes}
    least = sum(sum(sorted(costs[node])[:3]) for node in space.nodes)
    for share in (1.01, 1.2, 1.6):
        found = operators_within(space, logits, costs, 0, int(share * least))
        cost = sum(
            costs[node][OPERATORS.index(name)] for node in space.nodes for name in found[node]
        )
        assert 0.9 * share * least < cost <= share * least
