"""Running `dnas` in a process of its own and killing it at a chosen point.

The process is forked from this one, which has torch loaded already, so that a case takes a second
and not ten. It is killed after some time, or at one of the operations by which it changes files.
"""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnas_cli.app import app
from tests.support.failing_calls import Fault, calls_seen

_CHANGES = {
    "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod",
    "os.symlink", "shutil.rmtree",
}  # fmt: skip
_STAYS = 60.0  # seconds that a process may stay after the command
_TOO_LONG = 600.0  # seconds; a disk that is busy with others can take minutes to flush


@dataclass(frozen=True)
class Point:
    """When to kill: after `seconds`, or at the change of number `change`; never when both miss."""

    seconds: float | None = None
    change: int | None = None


NEVER = Point()


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: Its exit code; None when it was killed as intended.
        changes: Changes of files that it made; known only if it was not killed.
        seconds: How long it took.
        output: What it printed.
        calls: Calls that its `Fault` counted; known only if it was not killed.
    """

    code: int | None
    changes: int
    seconds: float
    output: str
    calls: int = 0


Meanwhile = tuple[float, Callable[[int], None]]
"""What happens to a running process, given its number, after some seconds."""


def run(
    arguments: list[str],
    folder: Path,
    point: Point = NEVER,
    fault: Fault | None = None,
    meanwhile: Meanwhile | None = None,
) -> End:
    """Run a command, killed at a point or with a fault, with its output kept in `folder`.

    No process of it is left when it has ended.

    Raises:
        TimeoutError: It hangs, or a process of it stays.
    """
    log, count = folder / "output", folder / "changes"
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        be_the_command(arguments, log, count, point, fault)
    status = _wait(process, started, point, meanwhile)
    _wait_for_group(process)
    output = log.read_text(errors="replace")
    seconds = time.monotonic() - started
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGKILL and (point != NEVER or (fault is not None and fault.cut)):
            return End(None, 0, seconds, output)
        return End(-number, 0, seconds, output)
    changes, calls = map(int, count.read_text().split())
    return End(os.WEXITSTATUS(status), changes, seconds, output, calls)


def any_point(whole: End, rng: random.Random) -> Point:
    """Choose a point of a command that took as long as `whole`: by time, or by change."""
    if rng.random() < 0.5:
        return Point(seconds=rng.uniform(0.0, whole.seconds))
    return Point(change=rng.randint(1, max(whole.changes, 1)))


def _wait(process: int, started: float, point: Point, meanwhile: Meanwhile | None) -> int:
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return status
        passed = time.monotonic() - started
        if meanwhile is not None and passed >= meanwhile[0]:
            meanwhile[1](process)
            meanwhile = None
        if point.seconds is not None and passed >= point.seconds:
            os.kill(process, signal.SIGKILL)
            return os.waitpid(process, 0)[1]
        if passed > _TOO_LONG:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            raise TimeoutError("the command hangs")
        time.sleep(0.01)


def _wait_for_group(process: int) -> None:
    end = time.monotonic() + _STAYS
    while True:
        try:
            os.killpg(process, 0)
        except ProcessLookupError:
            return
        if time.monotonic() > end:
            os.killpg(process, signal.SIGKILL)
            raise TimeoutError("a process of the command stays")
        time.sleep(0.05)


def be_the_command(
    arguments: list[str], log: Path, count: Path, point: Point, fault: Fault | None = None
) -> None:
    code, counter = 99, _Counter(point.change)
    os.setsid()
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        # Within a test, these write elsewhere.
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        sys.addaudithook(counter)
        if fault is not None:
            fault.begin()
        app(arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 98
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        counter.last = None
        count.write_text(f"{counter.seen} {calls_seen() if fault else 0}")
        os._exit(code)


class _Counter:
    """An audit hook that counts changes of files, and kills its process at one of them."""

    def __init__(self, last: int | None) -> None:
        self.seen = 0
        self.last = last

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & 3 != os.O_RDONLY
        if writes or event in _CHANGES:
            self.seen += 1
            if self.seen == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
