"""Interrupted work goes on and ends with the same bits."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import done, refused, rows, start

SIZE = ("--layers", 3, "--width", 4)
SEARCH = ("--epochs", 4, "--logits-from", 2, "--batch", 2, "--device", "cpu")


def _search(run: Path, tiles: Path) -> tuple[object, ...]:
    return ("search", run, "--stage", 1, "--data", tiles, *SIZE, *SEARCH)


def _tensors(value: Any, where: str = "") -> dict[str, Any]:
    """Flatten a checkpoint to its tensors and numbers, without times."""
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            if key != "seconds":
                found.update(_tensors(item, f"{where}/{key}"))
        return found
    if isinstance(value, list | tuple):
        return _tensors(dict(enumerate(value)), where)
    return {where: value}


def same_checkpoint(a: Path, b: Path) -> bool:
    """Return whether two checkpoints hold the same bits."""
    left = _tensors(torch.load(a, weights_only=True))
    right = _tensors(torch.load(b, weights_only=True))
    return left.keys() == right.keys() and all(
        torch.equal(left[key], right[key])
        if isinstance(left[key], torch.Tensor)
        else left[key] == right[key]
        for key in left
    )


def same_history(a: Path, b: Path) -> bool:
    """Return whether two histories tell the same, times and memory left out."""

    def told(path: Path) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in row.items() if key not in ("seconds", "peak_memory_mb")}
            for row in rows(path)
        ]

    return told(a) == told(b)


def assert_same_stage(a: Path, b: Path) -> None:
    """Check that two stage folders ended alike."""
    assert same_history(a / "history.jsonl", b / "history.jsonl")
    assert (a / "logits.jsonl").read_bytes() == (b / "logits.jsonl").read_bytes()
    assert same_checkpoint(a / "last.pt", b / "last.pt")
    assert same_checkpoint(a / "best.pt", b / "best.pt")


@pytest.fixture(scope="module")
def uninterrupted(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage was searched in one go."""
    run = tmp_path_factory.mktemp("whole") / "run"
    done(*_search(run, tiny_tiles))
    return run


def _wait_for(path: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.01)


def test_the_same_search_twice_gives_the_same_bits(
    uninterrupted: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    done(*_search(tmp_path / "run", tiny_tiles))
    assert_same_stage(uninterrupted / "search/stage1", tmp_path / "run/search/stage1")


def test_workers_do_not_change_a_bit(uninterrupted: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    done(*_search(tmp_path / "run", tiny_tiles), "--workers", 2)
    assert_same_stage(uninterrupted / "search/stage1", tmp_path / "run/search/stage1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(
    uninterrupted: Path, tiny_tiles: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    process = start(*_search(run, tiny_tiles))
    _wait_for(run / "search/stage1/last.pt")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert f"Go on with: dnas search {run} --stage 1" in errors
    assert "Traceback" not in errors
    done("search", run, "--stage", 1)
    assert_same_stage(uninterrupted / "search/stage1", run / "search/stage1")


def test_a_killed_search_goes_on_from_its_last_checkpoint(
    uninterrupted: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for delay in (0.0, 0.15):
        process = start(*_search(run, tiny_tiles))
        _wait_for(run / "search/stage1/last.pt")
        time.sleep(delay)
        process.kill()
        process.communicate()
    done(*_search(run, tiny_tiles))
    assert_same_stage(uninterrupted / "search/stage1", run / "search/stage1")


def test_a_stage_in_work_is_locked_and_names_who_works_on_it(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(*_search(run, tiny_tiles))
    try:
        _wait_for(run / "search/stage1/last.pt")
        message = refused(3, "search", run, "--stage", 1)
        assert f"process {process.pid}" in message
        done("status", run)  # readers are not locked out
    finally:
        process.kill()
        process.communicate()
    done("search", run, "--stage", 1)  # the lock of a dead process is no obstacle
