"""Atomic writes and plain-data JSON: a file is either the old one or the new one, whole.

Every file that `dnas` leaves behind goes through `atomic_path` or one of the writers on top of it.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError, DnasError, RunStateError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that replaces it when the block ends well.

    The temporary file is flushed to disk before the rename, so that a crash leaves either the old
    content or the new one. Its suffix equals the target's, for writers that look at it.

    Raises:
        DnasError: The folder cannot be written, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:100]}.", suffix=f".part{target.suffix}", dir=target.parent
        )
        os.close(handle)
        # mkstemp makes files private; give the result the user's usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
    except OSError as error:
        raise _cannot_write(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(target)
        _flush(target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _cannot_write(target: Path, error: OSError) -> DnasError:
    reason = error.strerror or str(error)
    return DnasError(
        f"{target}: cannot write ({reason}).", "Free the space or choose another place."
    )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content` to `target` atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: Path, content: str) -> None:
    """Write UTF-8 text to `target` atomically."""
    write_bytes(target, content.encode())


def write_json(target: Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file as plain data.

    Raises:
        DataError: The file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not valid JSON ({error}).") from error


def content_hash(value: Any) -> str:
    """Return the SHA-256 of plain data in its canonical JSON form, as `sha256:<hex>`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Refuse to replace what exists unless the user asked for it.

    Raises:
        RunStateError: `target` exists and `overwrite` is false.
    """
    if target.exists() and not overwrite:
        raise RunStateError(
            f"{target}: exists already.", "Name another output, or give --overwrite to replace it."
        )
