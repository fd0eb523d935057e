"""A search that decides: temperature, more logit steps, fixed logits, candidates."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dnas_cli.nets.network import NetworkShape, build_supernet
from dnas_cli.run.settings import SearchSettings
from dnas_cli.space.coding import PathCoding, first_space
from dnas_cli.training.steps import SearchSteps, temperature
from tests.support.command_line import dnas, rows
from tests.support.same_bits import assert_same_stage
from tests.support.small_runs import first_search
from tests.support.stopping_steps import stopped_after

HEAD = ("--head", 8)


def test_the_temperature_falls_from_one_to_the_final_in_equal_ratios() -> None:
    settings = SearchSettings(epochs=7, warmup=2 / 7, logit_temperature=0.01)
    found = [temperature(settings, epoch) for epoch in range(9)]
    assert found == pytest.approx([1, 1, 1, 0.316, 0.1, 0.0316, 0.01, 0.01, 0.01], rel=1e-2)
    assert {temperature(SearchSettings(epochs=7, warmup=2 / 7), epoch) for epoch in range(9)} == {1}


class _Stream:
    """Stands for a batch stream; a batch is its epoch and its place in it."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        return iter([(epoch, step) for step in range(start, self.steps)])


def _steps(streams: tuple[int, int], **settings: Any) -> SearchSteps:
    network = build_supernet(first_space(3), NetworkShape(4, 3, 2, head=4))
    both: Any = tuple(map(_Stream, streams))
    return SearchSteps(network, both, SearchSettings(**settings), torch.device("cpu"))


def test_each_step_of_the_weights_brings_so_many_batches_for_the_logits() -> None:
    steps = _steps((5, 4), epochs=4, warmup=1 / 4, logit_steps=3)
    assert [batch for _, batch in steps.batches(0, 0)] == [()] * 4
    whole: list[Any] = list(steps.batches(2, 0))
    assert [a for a, _ in whole] == [(2, step) for step in range(4)]
    logits = [batch for _, group in whole for batch in group]
    assert logits == [(6 + number, step) for number in range(3) for step in range(4)]
    for start in range(5):  # resumed in the middle of an epoch: the same from there on
        assert list(steps.batches(2, start)) == whole[start:]


def test_logits_that_have_decided_learn_no_more() -> None:
    steps = _steps((2, 2), epochs=4, warmup=0, fix_logits=0.3)
    assert [len(group) for _, group in steps.batches(1, 0)] == [1, 1]
    with torch.no_grad():
        steps.network.weighting.logits.copy_(9.0 * torch.arange(8))  # type: ignore[union-attr]
    assert [group for _, group in steps.batches(1, 0)] == [(), ()]


def test_a_low_temperature_decides_and_the_logits_stand_as_the_network_used_them(
    tiny_tiles: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dnas")
    for name, options in (("plain", ()), ("deciding", ("--logit-temperature", 1e-4))):
        dnas(*first_search(tmp_path / name, tiny_tiles, *HEAD, "--epochs", 3, *options))
    entropy = {
        name: rows(tmp_path / name / "search/stage1/history.jsonl")[-1]["entropy"]
        for name in ("plain", "deciding")
    }
    assert entropy["plain"] > 0.9
    assert entropy["deciding"] < 0.3
    warned = [item.message for item in caplog.records if "have not decided" in item.message]
    assert len(warned) == 1
    assert f"dnas decode {tmp_path / 'plain'} --stage 1 --candidates 8" in warned[0]
    assert max(rows(tmp_path / "deciding/search/stage1/logits.jsonl")[-1]["logits"].values()) > 3


def test_the_best_of_the_candidates_is_decoded_with_its_score(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas(*first_search(run, tiny_tiles, *HEAD))
    dnas("decode", run, "--stage", 1, "--candidates", 4, "--branch", tmp_path / "other")
    dnas("decode", run, "--stage", 1)
    coding = PathCoding.read(tmp_path / "other/coding/path.json")
    assert coding.score is not None
    assert 0 <= coding.score <= 1
    assert json.loads((tmp_path / "other/coding/path.json").read_text())["score"] == coding.score
    record = json.loads((tmp_path / "other/run.json").read_text())["stages"]["stage1"]
    assert record["decoded"]["candidates"] == 4
    assert "score" not in json.loads((run / "coding/path.json").read_text())
    for stage in (2, 3):  # the chain of hashes holds, and later stages have candidates as well
        search = ("search", tmp_path / "other", "--stage", stage, *HEAD, "--epochs", 2)
        dnas(*search, "--logits-from", 2, "--batch", 4)
        dnas("decode", tmp_path / "other", "--stage", stage, "--candidates", 3)
    architecture = json.loads((tmp_path / "other/coding/architecture.json").read_text())
    assert 0 <= architecture["score"] <= 1
    assert first_space(3).hash == coding.derived_from


def test_stopped_in_any_step_and_resumed_the_search_ends_with_the_same_bits(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    options = (
        *HEAD, "--epochs", 4, "--recipe", "strong", "--decay", "polynomial", "--mix-classes", 0.5,
        "--cut-out", 0.5, "--rare-share", 0.5, "--logit-steps", 2, "--logit-temperature", 0.1,
        "--logit-learning-rate", 0.3, "--fix-logits", 0.6,
    )  # fmt: skip
    run, whole = tmp_path / "run", tmp_path / "whole"
    dnas(*first_search(whole, tiny_tiles, *options))
    for count in (1, 2, 2):
        with stopped_after(count):
            command = first_search(run, tiny_tiles, *options, "--checkpoint-every", 0)
            dnas(*command, code=130)
    dnas("search", run, "--stage", 1)
    assert_same_stage(whole / "search/stage1", run / "search/stage1")
    assert "logit_loss" in rows(whole / "search/stage1/history.jsonl")[1]
    assert "logit_loss" not in rows(whole / "search/stage1/history.jsonl")[-1]  # decided
