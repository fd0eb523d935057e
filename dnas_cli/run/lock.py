"""One writer per stage: an advisory lock that names its holder.

The lock is the operating system's own (`flock`), so that it ends with the process that holds it,
however that ends; the file's content only tells others who it is.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dnas_cli.console import logger
from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.run.directory import Run, now

_held: set[int] = set()


def _let_go() -> None:
    """Close the locks in a forked process: else they would outlive the one that holds them."""
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def stage_lock(run: Run, stage: str) -> Iterator[None]:
    """Hold the lock of a stage, or of all of the run's codings (`coding`).

    Raises:
        RunStateError: Another process holds it; the message says which.
    """
    path = run.root / f".{stage}.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DnasError(
            f"{run.root}: cannot be written to ({error.strerror}).",
            "Make the folder writable, or branch into another one with --branch NEW_RUN.",
        ) from error
    _held.add(handle)
    try:
        _lock(handle, run, stage)
        _write_facts(handle, {"host": socket.gethostname(), "pid": os.getpid(), "since": now()})
        yield
        _write_facts(handle, None)
    finally:
        _held.discard(handle)
        os.close(handle)


def _lock(handle: int, run: Run, stage: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(handle, 4096).decode(errors="replace")
        raise RunStateError(
            f"{run.root}: {stage} is being worked on ({_describe(holder)}).",
            "Wait for it, stop it, or branch into another run with --branch.",
        ) from error
    except OSError as error:
        logger.warning(
            "%s: cannot be locked on this file system (%s); let nothing else write there.",
            run.root,
            error.strerror,
        )


def _write_facts(handle: int, facts: dict[str, object] | None) -> None:
    with suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(handle, 0)
        if facts is not None:
            os.pwrite(handle, json.dumps(facts).encode(), 0)


def _describe(holder: str) -> str:
    try:
        facts = json.loads(holder)
        return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "by another process"
