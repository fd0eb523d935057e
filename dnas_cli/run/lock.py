"""One writer per stage: an advisory lock that names its holder.

The lock is the operating system's own (`flock`), so that it ends with the process that holds it,
however that ends; the file's content only tells others who it is.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.run.directory import Run, now


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
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 4096).decode(errors="replace")
            raise RunStateError(
                f"{run.root}: {stage} is being worked on ({_describe(holder)}).",
                "Wait for it, stop it, or branch into another run with --branch.",
            ) from error
        facts = {"host": socket.gethostname(), "pid": os.getpid(), "since": now()}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(facts).encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _describe(holder: str) -> str:
    try:
        facts = json.loads(holder)
        return f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (ValueError, KeyError, TypeError):
        return "by another process"
