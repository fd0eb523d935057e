"""Locks of files and folders between processes.

The lock is the operating system's own (`flock`), so that it ends with the process that holds it,
however that ends.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dnas_cli.console import logger

_held: set[int] = set()
_waited_for: dict[tuple[int, int, int], int] = {}
"""Locks held by a thread: its number, and device and inode of the file; and the open file."""


def _close_in_child() -> None:
    """Close the locks in a forked process; they would outlive the process that holds them."""
    _waited_for.clear()
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def locked(path: Path, wait: bool = False, file: bool = False) -> Iterator[int]:
    """Hold the lock of a folder, or of a file that is created if it is missing.

    Where the file system has no locks, warn, and work without.

    Args:
        path: The folder or file.
        wait: Wait for another process that holds it, which takes a moment only. A thread that
            holds the lock already keeps it to the end of its outer block.
        file: The path is of a file. It is not looked up, as a folder that is gone would become one.

    Yields:
        The open file, for notes in it.

    Raises:
        BlockingIOError: Another process holds the lock.
        FileNotFoundError: The folder, or that of the file, is gone, perhaps since a moment.
        OSError: The file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT if file else os.O_RDONLY | os.O_DIRECTORY
    handle = _opened(path, flags)
    try:
        if wait and _own(handle) in _waited_for:
            yield _waited_for[_own(handle)]
            return
        while not _is_locked(handle, path, wait):  # its last holder removed it meanwhile
            _closed(handle)
            handle = _opened(path, flags)
        own = _own(handle)
        if wait:
            _waited_for[own] = handle
        try:
            yield handle
        finally:
            if wait:
                _waited_for.pop(own, None)
    finally:
        _closed(handle)


def _own(handle: int) -> tuple[int, int, int]:
    facts = os.fstat(handle)
    return threading.get_ident(), facts.st_dev, facts.st_ino


def _opened(path: Path, flags: int) -> int:
    handle = os.open(path, flags, 0o644)
    _held.add(handle)
    return handle


def _closed(handle: int) -> None:
    if handle in _held:
        _held.discard(handle)
        os.close(handle)


def _is_locked(handle: int, path: Path, wait: bool) -> bool:
    """Lock an open file; false where it is not the one at its path any more."""
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
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
