"""What signals do to training."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dnas_cli.training.losses import LOSSES
from tests.support.command_line import dnas, start
from tests.support.same_bits import assert_same_stage
from tests.support.small_runs import first_search, wait_for

LONG = ("--epochs", 4)


@pytest.fixture(scope="module")
def uninterrupted(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage was searched in one go."""
    run = tmp_path_factory.mktemp("whole") / "run"
    dnas(*first_search(run, tiny_tiles, *LONG))
    return run / "search/stage1"


def test_sigusr1_saves_and_continues(uninterrupted: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*first_search(run, tiny_tiles, *LONG))
    wait_for(run / "search/stage1/last.pt")
    process.send_signal(signal.SIGUSR1)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert errors.count("as asked") == 1
    assert_same_stage(uninterrupted, run / "search/stage1")


# Loading torch takes seconds on a busy machine; here, the signal comes just then.
_EARLY = """
import os, signal, sys
def send(event, arguments):
    if event == "import" and arguments[0] == "torch":
        os.kill(os.getpid(), int(sys.argv[1]))
sys.addaudithook(send)
from dnas_cli.app import app
app(sys.argv[2:])
"""


def _signalled_early(number: signal.Signals, *command: object) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", _EARLY, str(int(number)), *map(str, command)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_step_ends_with_one_message(
    tiny_tiles: Path, tmp_path: Path, number: signal.Signals
) -> None:
    result = _signalled_early(number, *first_search(tmp_path / "run", tiny_tiles))
    assert result.returncode == 130
    assert result.stderr == "dnas: interrupted.\n"


def test_sigusr1_before_there_is_anything_to_save_ends_nothing(
    searched: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    result = _signalled_early(signal.SIGUSR1, *first_search(run, tiny_tiles))
    assert result.returncode == 0, result.stderr
    assert_same_stage(searched / "search/stage1", run / "search/stage1")


def test_what_an_interruption_breaks_is_no_other_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def info(*_: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("No GDAL environment exists")  # as rasterio when it leaves a block

    monkeypatch.setattr("dnas_cli.api.info", info)
    assert dnas("info", tmp_path, code=130).stderr == "dnas: interrupted.\n"


# Steps are too short to be sure that the second signal comes within one: the loss sends both.
_TWICE = """
import os, signal
from dnas_cli.training.losses import LOSSES
right, calls = LOSSES["cross-entropy"], 0
def loss(*tensors, **more):
    global calls
    calls += 1
    if calls == 9:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    return right(*tensors, **more)
LOSSES["cross-entropy"] = loss
"""


def test_a_second_sigint_leaves_at_once_with_the_last_checkpoint_intact(
    uninterrupted: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(*first_search(run, tiny_tiles, *LONG), before=_TWICE)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "stopped at once; the last checkpoint is intact" in errors
    assert f"Resume with: dnas search {run} --stage 1" in errors
    assert "Traceback" not in errors
    dnas("search", run, "--stage", 1)
    assert_same_stage(uninterrupted, run / "search/stage1")


def test_a_signal_to_the_whole_group_leaves_loading_processes_to_their_parent(
    uninterrupted: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = first_search(run, tiny_tiles, *LONG, "--workers", 2)
    process = start(*command, own_session=True)
    wait_for(run / "search/stage1/previous.pt")  # an epoch is done, so the workers are there
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Resume with" in errors
    dnas("search", run, "--stage", 1)
    assert_same_stage(uninterrupted, run / "search/stage1")


def test_a_killed_process_leaves_no_lock_even_while_its_loading_processes_live(
    uninterrupted: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(*first_search(run, tiny_tiles, *LONG, "--workers", 2))
    wait_for(run / "search/stage1/previous.pt")
    process.kill()
    process.wait()
    time.sleep(0.1)
    dnas("search", run, "--stage", 1)
    process.communicate()
    assert_same_stage(uninterrupted, run / "search/stage1")


def test_an_operation_that_cannot_be_deterministic_is_named(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def loss(*_: object, **__: object) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())
        raise RuntimeError(
            "grid_sampler_2d_backward_cuda does not have a deterministic implementation, but you "
            "set 'torch.use_deterministic_algorithms(True)'. You can turn off determinism ..."
        )

    monkeypatch.setitem(LOSSES, "cross-entropy", loss)
    message = dnas(*first_search(tmp_path / "run", tiny_tiles, "--deterministic"), code=1).stderr
    assert "--deterministic: grid_sampler_2d_backward_cuda cannot be" in message
    assert seen == [True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_operations_give_the_same_bits_on_a_cpu(
    searched: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    dnas(*first_search(tmp_path / "run", tiny_tiles, "--deterministic"))
    assert_same_stage(searched / "search/stage1", tmp_path / "run/search/stage1")
