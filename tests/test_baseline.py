"""The baseline: what random architectures say of a found one."""

import csv
import json
from pathlib import Path

import pytest
import torch

from dnas_cli.evaluation.baseline_figures import (
    FOUND,
    Member,
    compare,
    kendall_tau,
    read_comparison,
    read_members,
    write_members,
)
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.model_file import load_model
from dnas_cli.nets.cost import count_coding
from dnas_cli.space.random_architectures import random_architectures
from tests.support.command_line import dnas
from tests.support.same_bits import same_tensors


def _matrix(right: int, wrong: int) -> ConfusionMatrix:
    """Return one class's right and wrong pixels: with as many of two classes, IoU is r/(r+2w)."""
    matrix = ConfusionMatrix(2)
    matrix.counts[:] = [[right, wrong], [wrong, right]]
    return matrix


def _member(name: str, seed: int, right: int, val: float | None = None) -> Member:
    scenes = {"a": _matrix(right, 100 - right), "b": _matrix(right, 100 - right)}
    return Member(name, seed, "test", 1000, 10**6, val, scenes, "sha256:0")


def _iou(right: int) -> float:
    return right / (right + 2 * (100 - right))


def test_figures_are_what_one_computes_by_hand() -> None:
    members = [
        _member(FOUND, 0, 60, 0.5), _member(FOUND, 1, 70, 0.6),
        _member("random-1", 0, 40, 0.2), _member("random-1", 1, 50, 0.3),
        _member("random-2", 0, 80, 0.8), _member("random-2", 1, 90, 0.7),
    ]  # fmt: skip
    found = (_iou(60) + _iou(70)) / 2
    low, high = (_iou(40) + _iou(50)) / 2, (_iou(80) + _iou(90)) / 2
    comparison = compare(members)
    assert comparison.found == pytest.approx(found)
    assert comparison.found_spread == pytest.approx(abs(_iou(60) - _iou(70)) / 2**0.5)
    assert comparison.random == pytest.approx((low + high) / 2)
    assert comparison.random_spread == pytest.approx((high - low) / 2**0.5)
    assert comparison.best_random == pytest.approx(high)
    assert comparison.percentile == 50
    assert comparison.difference == pytest.approx(found - (low + high) / 2)
    assert comparison.relative == pytest.approx(found / ((low + high) / 2) - 1)
    assert comparison.interval == pytest.approx((comparison.difference,) * 2)  # scenes are alike
    assert comparison.rank_agreement == pytest.approx((14 - 1) / 15)  # one pair of 15 is swapped


def test_rank_correlation_counts_pairs() -> None:
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1
    assert kendall_tau([1, 2, 3], [30, 20, 10]) == -1
    assert kendall_tau([1, 2, 3], [10, 30, 20]) == pytest.approx(1 / 3)
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 6**0.5)
    assert kendall_tau([1, 1, 1], [1, 2, 3]) is None


def test_scenes_that_differ_widen_the_interval() -> None:
    def uneven(name: str, first: int, second: int) -> Member:
        scenes = {"a": _matrix(first, 100 - first), "b": _matrix(second, 100 - second)}
        return Member(name, 0, "test", 1, 1, None, scenes, "")

    comparison = compare([uneven(FOUND, 90, 40), uneven("random-1", 50, 50)])
    assert comparison.interval is not None
    low, high = comparison.interval
    assert low == pytest.approx(_iou(40) - _iou(50))  # scene b drawn twice
    assert high == pytest.approx(_iou(90) - _iou(50))
    assert comparison.rank_agreement is None


def test_a_baseline_reads_back_as_it_was_written(tmp_path: Path) -> None:
    members, path = [_member(FOUND, 0, 60), _member("random-1", 0, 40)], tmp_path / "results.json"
    write_members(path, members)
    assert [item.to_json() for item in read_members(path)] == [item.to_json() for item in members]
    assert read_comparison(path) == compare(members)
    write_members(path, members[:1])
    assert read_comparison(path) is None


def test_a_run_is_compared_with_random_architectures_of_its_cost(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, architecture = tmp_path / "run", tmp_path / "architecture.json"
    next(random_architectures(3, 5)).write(architecture)
    settings = ("--head", 8, "--epochs", 2, "--batch", 4, "--width", 4, "--seed", 3)
    dnas("retrain", run, "--architecture", architecture, "--data", tiny_tiles, *settings)
    command = ("baseline", run, "--random", 2, "--seeds", 2)
    printed = dnas(*command).stdout
    assert "The found network is above" in printed
    members = read_members(run / "baseline/results.json")
    found = [(member.name, member.seed) for member in members]
    assert found == [(name, seed) for name in (FOUND, "random-1", "random-2") for seed in (3, 4)]
    wanted = members[0].multiply_accumulates
    assert all(abs(item.multiply_accumulates / wanted - 1) <= 0.05 for item in members)
    table = list(csv.DictReader((run / "baseline/results.csv").read_text().splitlines()))
    assert [float(row["mean_iou"]) for row in table] == [item.mean_iou for item in members]
    record = json.loads((run / "run.json").read_text())["stages"]["retrain"]["settings"]
    for name, seed in found[1:]:
        inner = json.loads((run / f"baseline/{name}-seed-{seed}/run.json").read_text())
        assert inner["stages"]["retrain"]["settings"] == record | {"seed": seed, "width": 4}
    assert "baseline   mIoU" in dnas("status", run).stdout
    assert "baseline: mIoU" in dnas("eval", run).stdout
    model = run / "baseline/random-1-seed-4/model.pt"
    before = model.stat().st_mtime_ns
    for suffix in ("json", "csv"):  # of a command that was killed
        (run / f"baseline/.results.0badcafe.part.{suffix}").touch()
    assert dnas(*command).stdout == printed
    assert not list((run / "baseline").glob(".results*"))
    assert model.stat().st_mtime_ns == before
    assert not same_tensors(model, run / "baseline/random-1-seed-3/model.pt")
    trained = load_model(model, torch.device("cpu"))
    cost = count_coding(trained.architecture, trained.facts.shape, 32, 32)
    assert cost.multiply_accumulates == members[3].multiply_accumulates


def test_a_run_without_a_model_has_no_baseline(tiny_tiles: Path, tmp_path: Path) -> None:
    dnas("encode", tmp_path / "run", "--stage", 1, "--data", tiny_tiles, "--layers", 3)
    assert "is not retrained" in dnas("baseline", tmp_path / "run", code=3).stderr
