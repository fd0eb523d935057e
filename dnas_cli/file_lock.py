"""Locks of files and folders between processes.

The lock is the operating system's own (`flock`), so that it ends with the process that holds it,
however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dnas_cli.console import logger

_held: set[int] = set()


def _close_in_child() -> None:
    """Close the locks in a forked process; they would outlive the process that holds them."""
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[int]:
    """Hold the lock of a folder, or of a file that is created if it is missing.

    Where the file system has no locks, warn, and work without.

    Args:
        path: The folder or file.
        wait: Wait for another process that holds it, which takes a moment only.

    Yields:
        The open file, for notes in it.

    Raises:
        BlockingIOError: Another process holds the lock.
        OSError: The file cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    handle = os.open(path, flags, 0o644)
    _held.add(handle)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError as error:
            if not wait:
                logger.warning(
                    "%s: cannot be locked on this file system (%s); let nothing else write there.",
                    path,
                    error.strerror,
                )
        yield handle
    finally:
        _held.discard(handle)
        os.close(handle)
