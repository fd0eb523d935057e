"""The processes that load tiles: they end with the training, and fit where they run."""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from dnas_cli import container
from dnas_cli.errors import DataError
from dnas_cli.nets import device
from dnas_cli.training import batches
from dnas_cli.training.losses import LOSSES
from tests.support.command_line import dnas, start
from tests.support.same_bits import assert_same_stage
from tests.support.small_runs import first_search, wait_for

_FAILING = """
from pathlib import Path
from dnas_cli.training.losses import LOSSES
right, calls = LOSSES["cross-entropy"], 0
def loss(*tensors, **more):
    global calls
    calls += 1
    if calls == 3:
        Path({now!r}).touch()
        {fault}
    return right(*tensors, **more)
LOSSES["cross-entropy"] = loss
"""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("raise RuntimeError('a fault')", 1),
        ("raise OSError(28, 'No space left on device')", 1),
        ("raise KeyboardInterrupt", 130),
    ],
)
def test_training_with_workers_ends_within_five_seconds_of_an_error(
    tiny_tiles: Path, tmp_path: Path, fault: str, code: int
) -> None:
    now, started = tmp_path / "now", time.monotonic()
    command = first_search(tmp_path / "run", tiny_tiles, "--workers", 2)
    before = _FAILING.format(fault=fault, now=str(now))
    process = start(*command, own_session=True, before=before)
    try:
        wait_for(now)
        # Where starting takes longer than five seconds the machine is busy with others.
        _, errors = process.communicate(timeout=max(5.0, time.monotonic() - started))
        assert process.returncode == code, errors
        with pytest.raises(ProcessLookupError):  # nobody of its group is left
            os.killpg(process.pid, 0)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_small_shared_memory_gives_fewer_workers_a_warning_and_the_same_bits(
    searched: Path, tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A batch of 4 x 32 x 32 pixels, four bands and the label: 98 kB.
    small = SimpleNamespace(f_bavail=1, f_frsize=900_000)
    monkeypatch.setattr(os, "statvfs", lambda path: small)
    result = dnas(*first_search(tmp_path / "run", tiny_tiles, "--workers", 4))
    assert "enough for 1 of 4 loading processes" in result.stderr
    assert "--shm-size" in result.stderr
    assert_same_stage(tmp_path / "run/search/stage1", searched / "search/stage1")


def test_the_papers_settings_do_without_workers_in_a_container_of_64_mb() -> None:
    assert batches.affordable_workers(4, 64 << 20, batch=2, side=512, bands=4) == 0
    assert batches.affordable_workers(4, 1 << 30, batch=2, side=512, bands=4) == 4


def test_a_full_shared_memory_is_one_message_with_a_remedy(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(*_: object, **__: object) -> None:
        raise RuntimeError("unable to write to file </torch_77_3>: No space left on device (28)")

    monkeypatch.setitem(LOSSES, "cross-entropy", loss)
    message = dnas(*first_search(tmp_path / "run", tiny_tiles), code=1).stderr
    assert "--shm-size" in message
    assert "--workers 0" in message


def test_training_on_a_cpu_does_not_open_a_gpu(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = list[bool]()

    class Loader(DataLoader[Any]):
        def __init__(self, *arguments: Any, pin_memory: bool, **more: Any) -> None:
            pinned.append(pin_memory)
            super().__init__(*arguments, **more)

    monkeypatch.setattr(batches, "DataLoader", Loader)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    dnas(*first_search(tmp_path / "run", tiny_tiles))
    assert pinned == [False, False]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ({}, 64),
    ],
)
def test_the_processors_of_a_container_count_not_those_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(container, "_GROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    assert container.usable_processors() == expected


def test_torch_takes_no_more_threads_than_the_container_has_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = list[int]()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr(device, "usable_processors", lambda: 2)
    device.resolve_device("cpu")
    assert threads == [2]


def test_an_error_of_a_loading_process_arrives_without_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cause that only GDAL can build would fail where the error arrives."""

    def fail(*_: object) -> None:
        raise DataError("tile.tif: cannot be read") from ValueError("of GDAL")

    tiles = batches.TrainingTiles.__new__(batches.TrainingTiles)
    monkeypatch.setattr(batches.TrainingTiles, "_load", fail)
    causes = []
    for process in (None, object()):
        monkeypatch.setattr(batches, "get_worker_info", lambda process=process: process)
        error = tiles[0, 0]
        assert isinstance(error, DataError)
        causes.append(error.__cause__ or error.__context__)
    assert isinstance(causes[0], ValueError)
    assert causes[1] is None
