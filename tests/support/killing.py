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

_CHANGES = {
    "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod",
    "os.symlink", "shutil.rmtree",
}  # fmt: skip
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
    """

    code: int | None
    changes: int
    seconds: float
    output: str


def run(arguments: list[str], folder: Path, point: Point = NEVER) -> End:
    """Run a command, killed at a point, with its output kept in `folder`.

    Raises:
        TimeoutError: It hangs.
    """
    log, count = folder / "output", folder / "changes"
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        be_the_command(arguments, log, count, point)
    status = _wait(process, started, point)
    output = log.read_text(errors="replace")
    seconds = time.monotonic() - started
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGKILL and point != NEVER:
            return End(None, 0, seconds, output)
        return End(-number, 0, seconds, output)
    return End(os.WEXITSTATUS(status), int(count.read_text()), seconds, output)


def any_point(whole: End, rng: random.Random) -> Point:
    """Choose a point of a command that took as long as `whole`: by time, or by change."""
    if rng.random() < 0.5:
        return Point(seconds=rng.uniform(0.0, whole.seconds))
    return Point(change=rng.randint(1, max(whole.changes, 1)))


def _wait(process: int, started: float, point: Point) -> int:
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return status
        passed = time.monotonic() - started
        if point.seconds is not None and passed >= point.seconds:
            os.kill(process, signal.SIGKILL)
            return os.waitpid(process, 0)[1]
        if passed > _TOO_LONG:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            raise TimeoutError("the command hangs")
        time.sleep(0.002)


def be_the_command(arguments: list[str], log: Path, count: Path, point: Point) -> None:
    code, counter = 99, _Counter(point.change)
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        # Within a test, these write elsewhere.
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        sys.addaudithook(counter)
        app(arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 98
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        counter.last = None
        count.write_text(str(counter.seen))
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


Command = Callable[[Path], list[str]]
"""Given the folder of a case, the arguments of a command."""
