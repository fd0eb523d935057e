"""Candidates: codings that logits make likely, and random ones."""

import itertools
import math

from dnas_cli.space.candidates import candidates
from dnas_cli.space.coding import (
    ArchitectureCoding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.space.lattice import edge
from dnas_cli.space.logits import decode, logit_keys
from dnas_cli.space.operators import OPERATORS
from dnas_cli.space.random_architectures import random_architectures


def _second() -> SearchSpace:
    return second_space(PathCoding((0, 1, 0)))


def _third() -> SearchSpace:
    return third_space(ConnectionCoding(_second().graph))


def test_the_first_candidate_is_the_decoded_coding_and_all_differ() -> None:
    for space in (first_space(5), _second(), _third()):
        logits = {key: math.sin(k) for k, key in enumerate(logit_keys(space))}
        found = candidates(space, logits, 6, seed=0)
        assert found[0] == decode(space, logits)
        assert len(found) == 6
        assert all(a != b for a, b in itertools.combinations(found, 2))
        assert all(coding.derived_from == space.hash for coding in found)


def test_candidates_are_a_function_of_the_seed() -> None:
    logits = dict.fromkeys(logit_keys(_third()), 0.0)
    first, again, other = (candidates(_third(), logits, 5, seed) for seed in (1, 1, 2))
    assert first == again
    assert first[0] == other[0]
    assert first[1:] != other[1:]


def test_logits_that_have_decided_leave_one_candidate() -> None:
    second, third = _second(), _third()
    sure = {key: 60.0 if k % 2 else -60.0 for k, key in enumerate(logit_keys(second))}
    assert candidates(second, sure, 4, seed=0) == [decode(second, sure)]
    order = {key: 40.0 * (k % len(OPERATORS)) for k, key in enumerate(logit_keys(third))}
    assert candidates(third, order, 4, seed=0) == [decode(third, order)]


def test_an_edge_is_drawn_as_often_as_its_logit_says() -> None:
    space, draws = _second(), 400
    odds = dict.fromkeys(logit_keys(space), 0.0)
    free = edge((-1, 0), (2, 0))  # lives and dies by its own logit alone
    odds[free.key] = math.log(3)  # sigmoid: 3/4
    codings = [candidates(space, odds, 2, seed)[1] for seed in range(draws)]
    share = sum(
        free in coding.graph.edges for coding in codings if isinstance(coding, ConnectionCoding)
    )
    assert abs(share / draws - 0.75) < 4 * math.sqrt(0.75 * 0.25 / draws)


def test_random_architectures_are_codings_of_the_space_and_follow_the_seed() -> None:
    def some(seed: int) -> list[ArchitectureCoding]:
        return list(itertools.islice(random_architectures(5, seed), 12))

    drawn = some(3)
    assert drawn == some(3)
    assert drawn != some(4)
    for coding in drawn:
        assert ArchitectureCoding.from_body(coding.body(), None) == coding  # pruned, in order
        assert all(len(names) == 3 for names in coding.operators)
    assert len({coding.graph for coding in drawn}) > 6
