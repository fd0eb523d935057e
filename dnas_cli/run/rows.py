"""Files of one JSON object per line and epoch: history and logits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Required, TypedDict

from dnas_cli.errors import DataError, brief
from dnas_cli.files import read_text, write_text
from dnas_cli.json_files import parse_json
from dnas_cli.space.coding import CodingBody

RESTORE = "Restore it, or search the stage again in a branch."
_MOST_EPOCHS = 1 << 31
_LARGEST = 1e30


class Losses(TypedDict, total=False):
    """Mean losses of an epoch: of the weights' steps, and of the logits'."""

    loss: float
    logit_loss: float


class LogitFacts(TypedDict, total=False):
    """What a search's logits say: their entropy (1 is undecided), their coding and its cost."""

    entropy: float
    decoded: CodingBody
    decoded_cost: int


class Validation(TypedDict, total=False):
    """Scores on the validation split; those by class are None where it lacks the class."""

    mean_iou: Required[float]
    overall_accuracy: float
    iou: list[float | None]


class EpochRow(Losses, LogitFacts, total=False):
    """An epoch, counted from 0, in `history.jsonl`; in `logits.jsonl` with its logits alone."""

    epoch: Required[int]
    learning_rate: float
    rate_factor: float
    warning: str
    val: Validation
    seconds: float
    peak_memory_mb: float
    logits: dict[str, float]


def best_row(rows: Sequence[EpochRow]) -> EpochRow | None:
    """Return the row of the highest mean IoU on validation, the first of equal ones, if any."""
    scored = [row for row in rows if "val" in row]
    return max(scored, key=lambda row: row["val"]["mean_iou"], default=None)


def read_rows(path: Path) -> list[EpochRow]:
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


def read_logits(path: Path) -> list[EpochRow]:
    """Read `logits.jsonl`, of which every row has logits; none when it is missing.

    Raises:
        DataError: A line is damaged, or has no logits.
    """
    rows = read_rows(path)
    if any("logits" not in row for row in rows):
        raise DataError(f"{path}: has rows without logits.", RESTORE)
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


def write_row(path: Path, row: EpochRow) -> None:
    """Add the row of an epoch, in place of that epoch's and any later one's.

    So rows later than the checkpoint that training resumes from never occur twice. The file is
    small and is rewritten as a whole, so that a reader never sees half a line.
    """
    rows = [item for item in read_rows(path) if item["epoch"] < row["epoch"]]
    write_text(path, "".join(json.dumps(item) + "\n" for item in [*rows, row]))
