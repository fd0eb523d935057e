"""Files of one JSON object per line and epoch: history and logits."""

import json
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError
from dnas_cli.files import write_text


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object per line, each with its `epoch`; none when it is missing.

    Raises:
        DataError: A line is not such an object.
    """
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            row["epoch"] = int(row["epoch"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is damaged ({error!r}).") from error
        rows.append(row)
    return rows


def write_row(path: Path, row: dict[str, Any]) -> None:
    """Add the row of an epoch, in place of that epoch's and any later one's.

    Rows later than the checkpoint that training continues from are thus never doubled. The file is
    small and is written anew as a whole, so that a reader never sees half a line.
    """
    rows = [item for item in read_rows(path) if item["epoch"] < row["epoch"]]
    write_text(path, "".join(json.dumps(item) + "\n" for item in [*rows, row]))
