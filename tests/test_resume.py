"""Interrupted work resumes and ends with the same bits."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.support.command_line import dnas, rows, start
from tests.support.same_bits import assert_same_stage
from tests.support.small_runs import wait_for

SIZE = ("--layers", 3, "--width", 4)
STRONG = (
    "--recipe", "strong", "--decay", "polynomial", "--mix-classes", 0.5, "--cut-out", 0.5,
    "--rare-share", 0.5,
)  # fmt: skip
SHORT = ("--epochs", 2, "--logits-from", 2)
SEARCH = ("--epochs", 4, "--logits-from", 3, "--batch", 2, "--head", 8, "--device", "cpu")


def _search(run: Path, tiles: Path) -> tuple[object, ...]:
    return ("search", run, "--stage", 1, "--data", tiles, *SIZE, *SEARCH)


@pytest.fixture(scope="module")
def uninterrupted(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage was searched in one go."""
    run = tmp_path_factory.mktemp("whole") / "run"
    dnas(*_search(run, tiny_tiles))
    return run


def _memory(run: Path) -> object:
    return json.loads((run / "run.json").read_text())["stages"]["stage1"]["memory"]


def test_workers_do_not_change_a_bit(tiny_tiles: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        command = _search(tmp_path / f"{workers}", tiny_tiles)
        dnas(*command, *STRONG, *SHORT, "--workers", workers)
    assert_same_stage(tmp_path / "0/search/stage1", tmp_path / "2/search/stage1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(
    uninterrupted: Path, tiny_tiles: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    process = start(*_search(run, tiny_tiles))
    wait_for(run / "search/stage1/last.pt")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert f"Resume with: dnas search {run} --stage 1" in errors
    assert "Traceback" not in errors
    dnas("search", run, "--stage", 1)
    assert_same_stage(uninterrupted / "search/stage1", run / "search/stage1")


@pytest.mark.parametrize(
    ("memory", "settings"),
    [
        ("plain", ()),
        ("low", ("--deterministic",)),
        ("fast", ("--optimizer", "adamw", "--augment", "scale", "--learning-rate", 0.002)),
    ],
)
def test_killed_and_continued_a_search_ends_with_the_same_bits(
    tiny_tiles: Path, tmp_path: Path, memory: str, settings: tuple[object, ...]
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    command = (*_search(run, tiny_tiles), *settings, "--memory", memory)
    dnas(*_search(whole, tiny_tiles), *settings, "--memory", memory)
    for delay in (0.0, 0.15):
        process = start(*command, "--checkpoint-every", 0)
        wait_for(run / "search/stage1/last.pt")
        time.sleep(delay)
        process.kill()
        process.communicate()
    assert _memory(run) == memory
    dnas("search", run, "--stage", 1)  # as it started, with no option given
    assert_same_stage(whole / "search/stage1", run / "search/stage1")


@pytest.mark.parametrize(("before", "after"), [("fast", "low"), ("low", "plain")])
def test_a_search_continues_with_another_memory_if_told_to(
    tiny_tiles: Path, tmp_path: Path, before: str, after: str
) -> None:
    run = tmp_path / "run"
    process = start(*_search(run, tiny_tiles), "--memory", before)
    wait_for(run / "search/stage1/last.pt")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    result = dnas("search", run, "--stage", 1, "--memory", after)
    assert f"resumes with --memory {after}, not {before}" in result.stderr
    assert _memory(run) == after
    assert len(rows(run / "search/stage1/history.jsonl")) == 4


def test_a_search_begun_before_there_was_a_choice_of_memory_continues_as_it_was(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas(*_search(run, tiny_tiles), "--memory", "plain")
    manifest = json.loads((run / "run.json").read_text())
    del manifest["stages"]["stage1"]["memory"]
    (run / "run.json").write_text(json.dumps(manifest))
    dnas("search", run, "--stage", 1, "--extend", 1)
    assert _memory(run) == "plain"


def test_a_stage_in_work_is_locked_and_names_who_works_on_it(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(*_search(run, tiny_tiles))
    try:
        wait_for(run / "search/stage1/last.pt")
        message = dnas("search", run, "--stage", 1, code=3).stderr
        assert f"process {process.pid}" in message
        dnas("status", run)  # readers are not locked out
    finally:
        process.kill()
        process.communicate()
    dnas("search", run, "--stage", 1)  # the lock of a dead process is no obstacle
