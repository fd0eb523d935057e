"""`dnas predict --scheduler`: scenes and strips as tasks of a cluster whose workers die."""

import asyncio
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

from distributed import Scheduler, Worker

from dnas_cli.mapping import cluster
from tests.support.command_line import dnas
from tests.support.predicting import write_scene
from tests.support.same_bits import assert_same_bytes
from tests.support.small_models import write_model
from tests.support.small_runs import wait_for

PIXELS = 60 * 130  # of a strip; a scene of 150 rows has several


class _Cluster:
    """A scheduler and workers in processes of their own, forked from this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[int] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        # Another port than Dask's usual one, on which somebody's scheduler may listen.
        ports = {"port": port, "dashboard_address": "127.0.0.1:0"}
        self._start(lambda: _serve(Scheduler, host="127.0.0.1", **ports))
        for _ in range(2):
            self.add_worker()

    def add_worker(self) -> None:
        """Add a worker of one thread."""
        folder = str(self.folder)
        self._start(lambda: _serve(Worker, self.address, nthreads=1, local_directory=folder))

    def kill(self, number: int) -> None:
        """Kill a process; the scheduler has number 0."""
        os.kill(self.processes[number], signal.SIGKILL)
        os.waitpid(self.processes[number], 0)

    def end(self) -> None:
        """Kill what is left."""
        for number in range(len(self.processes)):
            with suppress(ProcessLookupError, ChildProcessError):
                self.kill(number)

    def _start(self, serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
        process = os.fork()
        if process == 0:
            with (self.folder / "cluster.log").open("a", buffering=1) as log:
                sys.stdout = sys.stderr = log
                try:
                    asyncio.run(serve())
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(0)
        self.processes.append(process)


async def _serve(kind: Any, *arguments: Any, **options: Any) -> None:
    async with kind(*arguments, dashboard=False, **options) as server:
        await server.finished()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[_Cluster]:
    """A cluster of two workers."""
    made = _Cluster(tmp_path)
    yield made
    made.end()


def test_scenes_and_strips_of_workers_that_die_are_those_of_one_process(
    nodes: _Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "STRIP_PIXELS", PIXELS)
    (tmp_path / "scenes").mkdir()
    for seed in range(5):
        write_scene(tmp_path / f"scenes/{seed}.tif", seed=seed)
    (tmp_path / "scenes/damaged.tif").write_bytes(b"II*\0")
    model = write_model(tmp_path / "model.pt", tile_size=32)

    def command(out: str) -> tuple[object, ...]:
        extra: tuple[object, ...] = ("--probabilities", tmp_path / out / "{name}-all.tif")
        extra += ("--entropy", tmp_path / out / "{name}-entropy.tif", "--unsure", 0.5)
        extra += ("--areas", tmp_path / out / "{name}.csv", "--sieve", "9px")
        maps = ("--out", tmp_path / out / "{name}.tif", "--device", "cpu", *extra)
        return ("predict", model, tmp_path / "scenes", *maps)

    def disturb() -> None:
        wait_for(tmp_path / "cluster/0.tif.part")
        nodes.kill(1)
        nodes.add_worker()
        time.sleep(0.3)
        nodes.kill(2)

    dnas(*command("whole"), code=None)
    (tmp_path / "cluster").mkdir()
    disturbance = threading.Thread(target=disturb)
    disturbance.start()
    result = dnas(*command("cluster"), "--scheduler", nodes.address, code=None)
    disturbance.join()
    assert result.exit_code == 1  # one scene is damaged
    assert "1 of 6 scenes failed" in result.stderr
    assert result.stdout.count("done") + result.stdout.count("skipped") == 5
    assert_same_bytes(tmp_path / "whole", tmp_path / "cluster")
    again = dnas(*command("cluster"), "--scheduler", nodes.address, code=None)
    assert again.stdout.count("skipped") == 5


def test_a_scheduler_that_is_not_there_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 0.2)
    scene, model = write_scene(tmp_path / "scene.tif"), write_model(tmp_path / "model.pt")
    command = ("predict", model, scene, "--out", tmp_path / "map.tif")
    message = dnas(*command, "--scheduler", "tcp://127.0.0.1:9", code=2).stderr
    assert "--scheduler tcp://127.0.0.1:9: does not answer" in message
