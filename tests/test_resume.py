"""Interrupted work goes on and ends with the same bits."""

import signal
import time
from pathlib import Path

import pytest
from command_line import done, refused, start
from same_bits import assert_same_stage

SIZE = ("--layers", 3, "--width", 4)
SEARCH = ("--epochs", 4, "--logits-from", 2, "--batch", 2, "--device", "cpu")


def _search(run: Path, tiles: Path) -> tuple[object, ...]:
    return ("search", run, "--stage", 1, "--data", tiles, *SIZE, *SEARCH)


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
