"""A folder for work in progress beside what it becomes; what killed processes left is removed."""

import glob
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dnas_cli.file_lock import locked

_LONGEST = 50  # characters of the target's name


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """Yield a new hidden folder beside `target`, which may be renamed to it.

    It is locked, so that no other process takes it for one that was left behind.

    Raises:
        OSError: It cannot be made.
    """
    stem = f".{target.name[:_LONGEST]}"
    for left in target.parent.glob(f"{glob.escape(stem)}.{8 * '?'}.work"):
        with suppress(OSError), locked(left):
            shutil.rmtree(left)
    folder = target.with_name(f"{stem}.{secrets.token_hex(4)}.work")
    folder.mkdir()
    try:
        with locked(folder, wait=True):  # as a run that is made in it does once more
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
