"""Atomic writes and bounded reads: a file is either the old one or the new one, whole.

Every file that `dnas` leaves behind goes through `atomic_path` or one of the writers on top of it.
What is read may come from anywhere, so reading is bounded in size.
"""

import csv
import errno
import hashlib
import io
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dnas_cli.errors import DataError, DnasError, RunStateError, brief
from dnas_cli.shown_text import cell

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?")
LARGEST_TEXT = 256 << 20  # bytes; the description of a million tiles has less


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` that replaces it when the block ends well.

    The temporary file is flushed to disk before the rename, so that a crash leaves either the old
    content or the new one. Its suffix equals the target's, for writers that look at it.

    Raises:
        DnasError: The folder cannot be written, or the disk is full.
    """
    make_folder(target.parent)
    name = f".{shortened(target.stem)}.{secrets.token_hex(4)}.part{target.suffix}"
    temporary = target.with_name(name)
    try:
        # Not tempfile: it makes files private, and only the system knows the user's umask.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        yield temporary
        flush(temporary)
        temporary.replace(target)
        flush(target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it.

    Raises:
        RunStateError: A file is there already.
        DnasError: It cannot be made.
    """
    if path.exists() and not path.is_dir():
        raise RunStateError(f"{path}: is a file, where a folder is needed.", "Name another place.")
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:  # a file in a folder that a power cut takes away is lost
            flush(folder.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove what writers that were killed left behind; nobody else may be writing there.

    Args:
        folder: Where to look.
        name: The file that was being written; all of them when missing.
    """
    target = Path(name)
    stem = ".+" if name == "*" else re.escape(shortened(target.stem))
    # A random word without dots is between: the leftovers of `a.b.tif` are none of `a.tif`.
    leftover = re.compile(rf"\.{stem}\.\w+\.part{re.escape(target.suffix)}.*", re.DOTALL)
    for path in folder.glob(".*.part*"):
        if leftover.fullmatch(path.name):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def shortened(stem: str) -> str:
    """Return the first 100 bytes of a name: it has 255, and one made of it needs some more."""
    while len(os.fsencode(stem)) > 100:
        stem = stem[:-1]
    return stem


def _cannot_write(target: Path, error: OSError) -> DnasError:
    reason = error.strerror or str(error)
    remedies = {
        errno.EACCES: "Make the folder writable or choose another place.",
        errno.EROFS: "Choose another place.",
    }
    remedy = remedies.get(error.errno or 0, "Free the space or choose another place.")
    return DnasError(f"{target}: cannot write ({reason}).", remedy)


def flush(path: Path) -> None:
    """Write a file, or the names that a folder holds, to disk."""
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


def not_whole(target: Path) -> DnasError:
    """Return the error of a file that was read back and lacks something."""
    return DnasError(
        f"{target}: was not written whole; the disk is full or failing.",
        "Free the space or choose another place, and run the same command again.",
    )


def write_csv(target: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write rows of cells as CSV, atomically. No text begins a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_plain, row) for row in rows)
    write_text(target, text.getvalue())


def _plain(value: object) -> object:
    return cell(value) if isinstance(value, str) and not _NUMBER.fullmatch(value) else value


def is_text(text: str) -> bool:
    """Return whether a string can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_text(path: Path, largest: int = LARGEST_TEXT) -> str:
    """Read a UTF-8 file of a size that can be.

    Raises:
        DataError: It is missing, no regular file, too large, or not UTF-8.
    """
    size = size_of_file(path)
    if size > largest:
        raise DataError(f"{path}: is too large ({size:,} bytes).")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({brief(error)}).") from error


def read_lines(path: Path, largest: int = LARGEST_TEXT) -> list[tuple[int, str]]:
    """Read a list: one entry a line, without blank lines and those that begin with `#`.

    A byte order mark, Windows line ends, blanks around an entry and quotes around all of it are not
    part of it.

    Returns:
        The entries with the numbers of their lines, from 1.

    Raises:
        DataError: It is missing, too large, or not UTF-8.
    """
    return lines_of(read_text(path, largest))


def lines_of(text: str) -> list[tuple[int, str]]:
    """Return the entries of a list, as `read_lines` does."""
    # Not splitlines(): it would also cut at characters that may be part of a name.
    lines = enumerate(text.removeprefix("\ufeff").split("\n"), 1)
    entries = [(number, line.strip(" \r")) for number, line in lines]
    return [(number, _unquoted(entry)) for number, entry in entries if entry and entry[0] != "#"]


def nfc(text: str) -> str:
    """Return a name as it compares: files differ in how they store letters with accents."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def size_of_file(path: Path) -> int:
    """Return the size in bytes of a regular file.

    Raises:
        DataError: It is missing, or something else: pipes would be waited for, devices never end.
    """
    try:
        facts = path.stat()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({brief(error)}).") from error
    if stat.S_ISDIR(facts.st_mode):
        raise DataError(f"{path}: is a folder, not a file.")
    if not stat.S_ISREG(facts.st_mode):
        raise DataError(f"{path}: is not a regular file.")
    return facts.st_size


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content, as `sha256:<hex>`.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def changed_after(path: Path, moment: int) -> bool:
    """Return whether a file may have changed since a moment, in nanoseconds.

    Copying can set the time of a file's content to anything, but not that of its entry.
    """
    facts = path.stat()
    return max(facts.st_mtime_ns, facts.st_ctime_ns) >= moment  # clocks of files are coarse


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Refuse to replace what exists unless the user asked for it.

    Raises:
        RunStateError: `target` exists and `overwrite` is false.
    """
    if target.exists() and not overwrite:
        raise RunStateError(
            f"{target}: exists already.",
            "Name another output, or give overwrite=True to replace it.",
        )
