"""One writer per stage: a lock whose file names its holder."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.file_lock import locked
from dnas_cli.files import make_folder
from dnas_cli.run.directory import Run, now


@contextmanager
def beginning(root: Path) -> Iterator[None]:
    """Hold a run directory while a command finds out what is there and begins it.

    Other commands that may begin the run wait for that moment. A folder that was made for it and
    stays empty is removed.
    """
    if root.exists() and not root.is_dir():
        yield  # whoever creates the run refuses it
        return
    made = False
    with ExitStack() as stack:
        while True:
            made = made or not root.exists()
            make_folder(root)
            with suppress(FileNotFoundError):  # another command removed it when it failed
                stack.enter_context(locked(root, wait=True))
                break
        try:
            yield
        finally:
            if made:
                with suppress(OSError):
                    root.rmdir()


@contextmanager
def stage_lock(run: Run, stage: str) -> Iterator[None]:
    """Hold the lock of a stage, or of all of the run's codings (`coding`).

    Raises:
        RunStateError: Another process holds it; the message names it.
    """
    path = run.root / f".{stage}.lock"
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(locked(path, file=True))
        except BlockingIOError as error:
            raise RunStateError(
                f"{run.root}: {stage} is being worked on ({_holder(path)}).",
                "Wait for it, stop it, or branch into another run with branch=NEW_RUN.",
            ) from error
        except OSError as error:
            raise DnasError(
                f"{run.root}: cannot be written to ({error.strerror}).",
                "Make the folder writable, or branch into another one with branch=NEW_RUN.",
            ) from error
        _write_facts(handle, {"host": socket.gethostname(), "pid": os.getpid(), "since": now()})
        try:
            yield
        finally:
            _write_facts(handle, None)


def worker(run: Run, stage: str) -> str:
    """Return who works on a stage, in words; empty for nobody. The lock is not touched.

    A process that was killed leaves its name: it counts only as long as it runs.
    """
    path = run.root / f".{stage}.lock"
    try:
        facts = json.loads(path.read_text())
        if facts["host"] == socket.gethostname():
            os.kill(int(facts["pid"]), 0)
    except PermissionError:
        return _holder(path)  # a process of another user
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return ""
    return _holder(path)


def _write_facts(handle: int, facts: dict[str, object] | None) -> None:
    with suppress(OSError):  # the lock works even on a full disk
        os.ftruncate(handle, 0)
        if facts is not None:
            os.pwrite(handle, json.dumps(facts).encode(), 0)


def _holder(path: Path) -> str:
    try:
        facts = json.loads(path.read_text())
        return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "by another process"
