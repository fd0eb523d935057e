"""The files that a command is asked for: none is replaced unasked, and a killed command resumes.

Of a command that is killed after some of its files, the rest is missing. A hidden file beside the
first one names them meanwhile, so that the same command may replace those that it made.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dnas_cli.files import flush, refuse_existing, remove_leftovers, shortened, write_bytes


def claim_outputs(targets: Sequence[Path], overwrite: bool) -> None:
    """Refuse to replace what exists, except what the same interrupted command wrote.

    What a killed writer of these files left behind is removed.

    Raises:
        RunStateError: One exists, and `overwrite` is false.
    """
    resumes = _is_named_by_record(targets)
    for target in targets:
        refuse_existing(target, overwrite or resumes)
    for target in targets:
        remove_leftovers(target.parent, target.name)


@contextmanager
def writing_outputs(targets: Sequence[Path]) -> Iterator[None]:
    """Name the files of a block that writes all of them, until it ends."""
    record = _record(targets)
    if len(targets) > 1:
        remove_leftovers(record.parent, record.name)
        write_bytes(record, _names(targets))
    try:
        yield
    finally:
        if all(path.exists() for path in targets) or not any(path.exists() for path in targets):
            _remove(record)


def _remove(record: Path) -> None:
    if record.exists():
        record.unlink()
        flush(record.parent)


def _record(targets: Sequence[Path]) -> Path:
    return targets[0].with_name(f".{shortened(targets[0].name)}.unfinished")


def _names(targets: Sequence[Path]) -> bytes:
    return b"\0".join(bytes(path.absolute()) for path in targets)


def _is_named_by_record(targets: Sequence[Path]) -> bool:
    record = _record(targets)
    return record.is_file() and record.read_bytes() == _names(targets)
