"""Expected costs against every path, every set of operators, and the network that is decoded."""

import itertools
import math
import random

import pytest

from dnas_cli.nets.cost import count_coding
from dnas_cli.nets.network import NetworkShape
from dnas_cli.space.coding import (
    ArchitectureCoding,
    ConnectionCoding,
    PathCoding,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.space.decoding import path_shares
from dnas_cli.space.expected_cost import expected_path_cost, operator_chances
from dnas_cli.space.lattice import Edge, Node
from dnas_cli.space.logits import decode, logit_keys
from dnas_cli.space.operators import OPERATORS
from dnas_cli.stages.lattice_costs import LatticeCosts

SHAPE, SIZE = NetworkShape(4, 3, 5, head=8), 64


def test_the_expected_path_is_the_mean_over_all_paths_by_their_score() -> None:
    draw, graph = random.Random(0), first_space(4).graph
    logits = {item: draw.gauss(0, 1) for item in graph.edges}
    costs = {item: draw.randrange(1, 100) for item in graph.edges}
    ends = {node: draw.randrange(1, 100) for node in graph.outputs}
    shares, (first,) = path_shares(graph, logits), graph.incoming(Node(0, 0))
    total = weight = 0.0
    for scales in itertools.product(range(4), repeat=4):
        nodes = [Node(layer, scale) for layer, scale in enumerate(scales)]
        edges = [Edge(b, a) for a, b in itertools.pairwise(nodes)]
        if nodes[0] == Node(0, 0) and all(item in shares for item in edges):
            score = math.exp(sum(shares[item] for item in edges))
            cost = costs[first] + sum(costs[item] for item in edges) + ends[nodes[-1]]
            total, weight = total + score * cost, weight + score
    assert expected_path_cost(graph, logits, costs, ends) == pytest.approx(total / weight)


def test_operators_are_drawn_without_repetition() -> None:
    logits = [math.log(share) for share in (1, 2, 3, 4)]
    found = [0.0] * 4
    for a, b in itertools.permutations(range(4), 2):
        chance = (a + 1) / 10 * (b + 1) / (10 - (a + 1))
        found[a] += chance
        found[b] += chance
    assert operator_chances(logits, 2) == pytest.approx(found)
    assert sum(operator_chances([0.0] * 10)) == pytest.approx(3)


def test_decided_logits_cost_what_they_decode_to() -> None:
    """Also what the parts of a network cost together is what the whole one costs."""
    draw, costs = random.Random(1), LatticeCosts(SHAPE, SIZE)
    space = first_space(4)
    for stage in (1, 2, 3):
        # Far apart: what is likelier is certain.
        order = draw.sample(range(-len(OPERATORS) * 99, 0), len(logit_keys(space)))
        decided = dict(zip(logit_keys(space), (90.0 * value + 9e4 for value in order), strict=True))
        coding = decode(space, decided)
        graph = getattr(coding, "graph", space.graph)
        expected = costs.expected(space, decided, graph.outputs)
        decoded = costs.of_coding(coding)
        if stage == 2:  # pruned edges are expected to be kept
            assert expected >= decoded * (1 - 1e-9)
        if stage == 3:
            assert expected == pytest.approx(decoded)
        if isinstance(coding, PathCoding):
            space = second_space(coding)
        if isinstance(coding, ConnectionCoding):
            space = third_space(coding)
    assert isinstance(coding, ArchitectureCoding)
    assert decoded == count_coding(coding, SHAPE, SIZE, SIZE).multiply_accumulates
