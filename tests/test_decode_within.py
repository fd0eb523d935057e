"""Decoding under a target: what is decoded, stage after stage, never costs more."""

import json
import random
from pathlib import Path

import pytest

from dnas_cli.errors import UsageError
from dnas_cli.nets.cost import count_coding
from dnas_cli.nets.network import NetworkShape
from dnas_cli.space.coding import (
    ArchitectureCoding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.space.logits import decode, logit_keys
from dnas_cli.stages.decode_within import decode_within
from dnas_cli.stages.lattice_costs import LatticeCosts
from tests.support.command_line import dnas
from tests.support.small_runs import first_search

SHAPE, SIZE = NetworkShape(4, 3, 5, head=8), 64
TABLE = LatticeCosts(SHAPE, SIZE)


def _logits(space: SearchSpace, draw: random.Random) -> dict[str, float]:
    return {key: draw.gauss(0, 1) for key in logit_keys(space)}


def _cost(coding: ArchitectureCoding) -> int:
    return count_coding(coding, SHAPE, SIZE, SIZE).multiply_accumulates


def _searched(draw: random.Random, target: int) -> tuple[ArchitectureCoding, ArchitectureCoding]:
    """Decode three stages of random logits; return the result, and that of the last without."""
    space = first_space(4)
    path = decode_within(space, _logits(space, draw), TABLE, target)
    assert isinstance(path, PathCoding)
    space = second_space(path)
    connections = decode_within(space, _logits(space, draw), TABLE, target)
    assert isinstance(connections, ConnectionCoding)
    space = third_space(connections)
    logits = _logits(space, draw)
    within, free = decode_within(space, logits, TABLE, target), decode(space, logits)
    assert isinstance(within, ArchitectureCoding)
    assert isinstance(free, ArchitectureCoding)
    return within, free


@pytest.mark.parametrize("seed", range(6))
def test_decoded_networks_never_cost_more_than_the_target(seed: int) -> None:
    draw = random.Random(seed)
    for target in (900_000, 1_200_000, 2_000_000, 10**9):
        within, free = _searched(draw, target)
        assert _cost(within) == TABLE.of_coding(within) <= target
        if _cost(free) <= target:
            assert within == free


def test_a_target_that_no_network_meets_is_refused_with_the_least() -> None:
    with pytest.raises(UsageError, match="below the cost of the cheapest network"):
        _searched(random.Random(0), 1000)


def test_a_run_is_decoded_within_a_target(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dnas(*first_search(run, tiny_tiles, "--head", 8))
    assert (
        "leave --candidates out"
        in dnas(
            "decode", run, "--stage", 1, "--target-macs", 1e7, "--candidates", 2, code=2
        ).stderr.lower()
    )
    assert "cheapest" in dnas("decode", run, "--stage", 1, "--target-macs", 10, code=2).stderr
    dnas("decode", run, "--stage", 1, "--target-macs", "5e7")
    record = json.loads((run / "run.json").read_text())["stages"]["stage1"]["decoded"]
    assert record["target_macs"] == 50_000_000
