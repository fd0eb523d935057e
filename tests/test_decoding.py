"""Decoders on small cases that can be worked out by hand."""

import itertools
import math
import random

import pytest

from dnas_cli.space.decoding import (
    best_paths,
    decode_connections,
    decode_path,
    kept_edges,
    log_softmax,
    normalised_entropy,
    strongest_operators,
)
from dnas_cli.space.lattice import Edge, Graph, Node, edge, prune
from dnas_cli.space.spaces import connection_space, core_edges, path_space


def _probability(graph: Graph, logits: dict[Edge, float], path: tuple[int, ...]) -> float:
    """Score a path the slow way, straight from the definition."""
    largest = max(len(graph.incoming(node)) for node in graph.nodes)
    score = 1.0
    for layer in range(1, len(path)):
        incoming = graph.incoming(Node(layer, path[layer]))
        total = sum(math.exp(logits[item]) for item in incoming)
        taken = Edge(Node(layer, path[layer]), Node(layer - 1, path[layer - 1]))
        score *= math.exp(logits[taken]) / total * len(incoming) / largest
    return score


@pytest.mark.parametrize("seed", range(20))
def test_decoded_paths_are_the_best_of_all_paths_in_order(seed: int) -> None:
    graph = path_space(6)
    rng = random.Random(seed)
    logits = {item: rng.gauss(0, 1) for item in graph.edges}
    paths = [
        (0, *rest)
        for rest in itertools.product(range(4), repeat=5)
        if all(
            abs(a - b) <= 1 and b <= layer
            for layer, (a, b) in enumerate(itertools.pairwise((0, *rest)), 1)
        )
    ]
    ranked = sorted(paths, key=lambda path: _probability(graph, logits, path), reverse=True)
    assert decode_path(graph, logits) == ranked[0]
    assert best_paths(graph, logits, 12) == ranked[:12]
    assert best_paths(graph, logits, 10_000) == ranked  # all there are, each once


def test_the_logit_of_the_finest_scale_counts() -> None:
    # The first release read slots 1 and 2 at scale 0 while it trained 0 and 1: raising the logit
    # of staying at scale 0 did not keep the path there.
    graph = path_space(5)
    logits = dict.fromkeys(graph.edges, 0.0)
    for layer in range(1, 5):
        logits[edge((layer - 1, 0), (layer, 0))] = 8.0
    assert decode_path(graph, logits) == (0, 0, 0, 0, 0)
    logits[edge((0, 0), (1, 0))] = 0.0  # one edge into (1,0): its share stays 1
    logits[edge((1, 0), (2, 0))], logits[edge((1, 1), (2, 0))] = 0.0, 8.0
    assert decode_path(graph, logits) == (0, 1, 0, 0, 0)


def test_equal_logits_go_to_the_finest_path() -> None:
    graph = path_space(4)
    # Each edge into a node counts 1/n * n/3 = 1/3 whatever n is: all paths tie.
    assert decode_path(graph, dict.fromkeys(graph.edges, 0.0)) == (0, 0, 0, 0)


def test_core_edges_are_kept_whatever_their_logit() -> None:
    path = (0, 1, 2, 1)
    logits = dict.fromkeys(connection_space(path).edges, -1.0)
    assert set(kept_edges(path, logits)) == set(core_edges(path))
    assert decode_connections(path, logits).edges == core_edges(path)


def test_an_edge_of_logit_zero_is_not_kept() -> None:
    path = (0, 0)
    logits = dict.fromkeys(connection_space(path).edges, 0.0)
    assert edge((-1, 0), (1, 0)) not in kept_edges(path, logits)
    logits[edge((-1, 0), (1, 0))] = 1e-9
    assert edge((-1, 0), (1, 0)) in kept_edges(path, logits)


def test_the_probability_rule_keeps_what_has_more_than_an_equal_share() -> None:
    path = (0, 0, 0)
    logits = dict.fromkeys(connection_space(path).edges, -2.0)
    logits[edge((-1, 0), (2, 0))] = -1.0
    kept = kept_edges(path, logits, "probability")
    assert edge((-1, 0), (2, 0)) in kept
    assert edge((0, 0), (2, 0)) not in kept


def test_decoded_connections_hold_nothing_dead() -> None:
    rng = random.Random(1)
    path = (0, 1, 2, 3, 2, 1)
    for _ in range(50):
        logits = {item: rng.gauss(-0.5, 1) for item in connection_space(path).edges}
        graph = decode_connections(path, logits)
        assert prune(graph) == graph
        assert set(core_edges(path)) <= set(graph.edges)


def test_operators_of_equal_logit_go_to_the_lower_index() -> None:
    assert strongest_operators([0.0] * 10) == ("conv1x1", "conv3x3", "conv3x3_dil3")
    logits = [0.0, 0, 0, 0, 0, 0, 0, 1, 2, 3]
    assert strongest_operators(logits) == ("avg_pool_3x3", "max_pool_3x3", "global_average_pool")


def test_log_softmax_survives_extreme_logits() -> None:
    assert log_softmax([1000.0, 0.0])[0] == pytest.approx(0.0)
    assert log_softmax([-1000.0, -1000.0]) == pytest.approx([-math.log(2)] * 2)


def test_entropy_is_one_when_undecided_and_near_zero_when_decided() -> None:
    assert normalised_entropy([[0.0, 0.0, 0.0], [5.0]]) == pytest.approx(1.0)
    assert normalised_entropy([[50.0, 0.0]]) < 1e-6
    assert normalised_entropy([[1.0]]) == 0.0
