"""A target of cost in a search: what is expected, how it is weighed, and that it is kept."""

import itertools
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from dnas_cli.errors import UsageError
from dnas_cli.nets.cost_table import CostTable
from dnas_cli.nets.expected_cost import expected_cost
from dnas_cli.nets.network import NetworkShape
from dnas_cli.run.rows import EpochRow
from dnas_cli.run.settings import SearchSettings
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.space.decoding import path_shares
from dnas_cli.space.lattice import Edge, Node
from dnas_cli.space.logits import logit_keys
from dnas_cli.space.operators import OPERATORS
from dnas_cli.space.random_architectures import random_architectures
from dnas_cli.stages.cost_target import macs_of
from dnas_cli.stages.decode_within import decode_within
from dnas_cli.stages.lattice_costs import LatticeCosts
from dnas_cli.stages.measure import measure_run
from dnas_cli.training.cost_penalty import CostPenalty, ramp
from tests.support.command_line import dnas, rows
from tests.support.same_bits import assert_same_stage
from tests.support.small_runs import first_search
from tests.support.stopping_steps import stopped_after

TABLE = LatticeCosts(NetworkShape(4, 3, 5, head=8), 64)


def _drawn(space: SearchSpace, seed: int) -> tuple[dict[str, float], list[torch.Tensor]]:
    """Return logits by key and by node."""
    draw = random.Random(seed)
    logits = {key: draw.gauss(0, 1) for key in logit_keys(space)}
    flat, groups = iter(logits.values()), list[torch.Tensor]()
    for node in space.graph.nodes:
        count = len(OPERATORS) if space.stage == 3 else len(space.graph.incoming(node))
        groups.append(torch.tensor(list(itertools.islice(flat, count)), dtype=torch.float64))
    return logits, groups


def _within(space: SearchSpace, draw: random.Random, table: CostTable, target: int) -> Coding:
    coding = decode_within(space, {k: draw.gauss(0, 1) for k in logit_keys(space)}, table, target)
    assert table.of_coding(coding) <= target
    return coding


def _likely(edges: Sequence[Edge]) -> int:
    return sum(TABLE.likely(item) for item in edges)


def test_the_expected_cost_of_paths_is_their_mean_by_score() -> None:
    space = first_space(4)
    logits, groups = _drawn(space, 1)
    shares = path_shares(space.graph, {item: logits[item.key] for item in space.graph.edges})
    total, weights = 0.0, 0.0
    for steps in itertools.product((-1, 0, 1), repeat=3):
        scales = [0, *itertools.accumulate(steps)]
        if all(0 <= scale <= 3 for scale in scales):
            nodes = [Node(layer, scale) for layer, scale in enumerate(scales)]
            pairs = set(itertools.pairwise(nodes))
            score = sum(shares[item] for item in shares if (item.source, item.target) in pairs)
            total += math.exp(score) * TABLE.of_coding(PathCoding(tuple(scales)))
            weights += math.exp(score)
    assert float(expected_cost(space, groups, TABLE)) == pytest.approx(total / weights)


def test_the_expected_cost_of_connections_is_their_mean_over_all_choices() -> None:
    space = second_space(PathCoding((0, 1, 1)))
    logits, groups = _drawn(space, 2)
    free, end = [item for item in space.graph.edges if item not in space.core], Node(2, 1)
    total = 0.0
    for kept in itertools.product((True, False), repeat=len(free)):
        chosen = [item for item, keep in zip(free, kept, strict=True) if keep]
        chances = [1 / (1 + math.exp(-logits[item.key])) for item in free]
        share = math.prod(c if k else 1 - c for c, k in zip(chances, kept, strict=True))
        outputs = {item.target for item in chosen if item.target.layer == 2} | {end}
        total += share * (_likely([*space.core, *chosen]) + TABLE.ends(tuple(sorted(outputs))))
    assert float(expected_cost(space, groups, TABLE)) == pytest.approx(total)


def test_the_expected_cost_of_operators_is_that_of_one_decided_set_and_their_mean() -> None:
    connections = next(random_architectures(4, 3))
    space = SearchSpace(3, connections.graph)
    _, groups = _drawn(space, 3)
    same = [torch.zeros(len(OPERATORS)) for _ in space.graph.nodes]
    even = TABLE.ends(space.graph.outputs) + _likely(space.graph.edges)
    assert float(expected_cost(space, same, TABLE)) == pytest.approx(even, rel=1e-5)
    decided = [torch.tensor([99.0] * 3 + [0.0] * 7) for _ in space.graph.nodes]
    coding = ArchitectureCoding(space.graph, (OPERATORS[:3],) * len(space.graph.nodes))
    assert float(expected_cost(space, decided, TABLE)) == pytest.approx(TABLE.of_coding(coding))
    leaves = [group.clone().requires_grad_(True) for group in groups]
    gradients = torch.autograd.grad(expected_cost(space, leaves, TABLE, 1e6), leaves)
    for gradient in gradients:  # a costly operator is made less likely, a cheap one more
        assert gradient[OPERATORS.index("conv3x3")] > 0 > gradient.min()


def test_the_weight_doubles_above_the_target_and_halves_below_it() -> None:
    settings, history = SearchSettings(epochs=10, warmup=0.2), list[EpochRow]()
    space = first_space(3)
    costs = [9, 9, 200, 200, 50, 200, 50, 50]
    history.extend({"epoch": k, "decoded_cost": cost} for k, cost in enumerate(costs))
    penalty = CostPenalty(space, TABLE, 100, settings, lambda: history)
    assert [penalty.weight(k) for k in range(9)] == [1, 1, 1, 2, 4, 2, 4, 2, 1]
    assert [ramp(settings, k) for k in range(8)] == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    _, groups = _drawn(space, 4)
    expected = float(expected_cost(space, groups, TABLE))
    penalty = CostPenalty(space, TABLE, int(expected / 2), settings, lambda: history)
    penalty.start_epoch(4)
    assert float(penalty(groups)) == pytest.approx(0.75 * 0.25, rel=1e-3)  # halved twice
    penalty = CostPenalty(space, TABLE, int(expected * 2), settings, lambda: history)
    penalty.start_epoch(4)
    assert float(penalty(groups)) == 0


def test_targets_are_numbers_with_units_or_shares_of_random_ones() -> None:
    assert macs_of("4G", TABLE, 4) == 4 * 10**9
    assert macs_of("250M", TABLE, 4) == 250 * 10**6
    assert macs_of("1e9", TABLE, 4) == 10**9
    drawn = itertools.islice(random_architectures(4, 0), 32)
    average = sum(TABLE.of_coding(coding) for coding in drawn) / 32
    assert macs_of("0.5x", TABLE, 4) == int(average / 2)
    for text in ("", "4g", "x", "-1G", "1.2.3", "0"):
        with pytest.raises(UsageError, match="target_macs="):
            macs_of(text, TABLE, 4)


def test_a_search_with_a_target_decodes_within_it_and_resumes_with_the_same_bits(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    more = ("--head", 8, "--epochs", 3, "--logit-learning-rate", 0.3, "--target-macs", "0.7x")
    dnas(*first_search(whole, tiny_tiles, *more))
    with stopped_after(3):
        command = first_search(run, tiny_tiles, *more, "--checkpoint-every", 0)
        dnas(*command, code=130)
    dnas("search", run, "--stage", 1)
    assert_same_stage(whole / "search/stage1", run / "search/stage1")
    assert all(row["decoded_cost"] > 0 for row in rows(run / "search/stage1/history.jsonl"))
    dnas("decode", run, "--stage", 1)
    record = json.loads((run / "run.json").read_text())["stages"]["stage1"]["decoded"]
    assert record["target_macs"] == "0.7x"
    assert "has one" in dnas("decode", run, "--stage", 1, "--candidates", 2, code=2).stderr


def test_a_target_of_time_is_kept_by_times_measured_on_this_device(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, "--layers", 3, "--width", 2)
    assert "stem and head" in dnas("measure", run, "--head", 4).stdout
    times = measure_run(run, 4)
    target, draw = 2 * times.of_coding(PathCoding((0, 0, 0))), random.Random(0)
    for _ in range(4):
        space = first_space(3)
        path = _within(space, draw, times, target)
        assert isinstance(path, PathCoding)
        connections = _within(second_space(path), draw, times, target)
        assert isinstance(connections, ConnectionCoding)
        _within(third_space(connections), draw, times, target)
    content = json.loads((run / "times.json").read_text())
    (run / "times.json").write_text(json.dumps({**content, "heads": {}}))
    search = ("search", run, "--stage", 1, "--head", 4, "--epochs", 2)
    assert "times" in dnas(*search, "--target-ms", 50, code=4).stderr
    (run / "times.json").write_text(json.dumps(content))
    assert "another network" in dnas(*search[:3], 1, "--target-ms", 50, "--head", 8, code=4).stderr
