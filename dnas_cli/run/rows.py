"""Files of one JSON object per line and epoch: history and logits."""

import json
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError, brief
from dnas_cli.files import parse_json, read_text, write_text

_MOST_EPOCHS = 1 << 31
_LARGEST = 1e30


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object per line, each with its `epoch`; none when it is missing.

    Raises:
        DataError: A line is not such an object.
    """
    try:
        text = read_text(path)
    except DataError:
        if not path.exists():  # a restart of the stage may remove it at any moment
            return []
        raise
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        row = parse_json(line, f"{path}, line {number}")
        try:
            _check(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: line {number} is damaged ({brief(error)}).") from error
        rows.append(row)
    return rows


def _check(row: dict[str, Any]) -> None:
    """Check the epoch, the score, the logits and the printed figures."""
    if not isinstance(row["epoch"], int) or not 0 <= row["epoch"] < _MOST_EPOCHS:
        raise ValueError(f"epoch {row['epoch']!r}")
    numbers = [row[key] for key in ("loss", "seconds", "entropy") if key in row]
    if "val" in row:
        numbers.append(row["val"]["mean_iou"])
    if "logits" in row:
        numbers.extend(row["logits"].values())
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError(f"{number!r} is not a number")
        if not abs(number) < _LARGEST:
            raise ValueError(f"{number!r} is out of range")


def write_row(path: Path, row: dict[str, Any]) -> None:
    """Add the row of an epoch, in place of that epoch's and any later one's.

    So rows later than the checkpoint that training resumes from never occur twice. The file is
    small and is rewritten as a whole, so that a reader never sees half a line.
    """
    rows = [item for item in read_rows(path) if item["epoch"] < row["epoch"]]
    write_text(path, "".join(json.dumps(item) + "\n" for item in [*rows, row]))
