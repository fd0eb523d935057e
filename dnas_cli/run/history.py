"""The history of a stage as a flat table, for spreadsheets and data frames."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnas_cli.files import write_text
from dnas_cli.run.rows import read_rows

FlatRow = dict[str, int | float | str]

_COLUMNS = {
    "loss": ("loss",),
    "logit_loss": ("logit_loss",),
    "learning_rate": ("learning_rate",),
    "rate_factor": ("rate_factor",),
    "entropy": ("entropy",),
    "val_mean_iou": ("val", "mean_iou"),
    "val_overall_accuracy": ("val", "overall_accuracy"),
    "seconds": ("seconds",),
    "peak_memory_mb": ("peak_memory_mb",),
}
"""Columns beside `epoch`, and where their values are in a row of `history.jsonl`."""


def flat_history(folder: Path) -> list[FlatRow]:
    """Return the epochs of a stage as flat rows.

    Every row has the same keys as far as the stage knows them: `epoch`, counted from 1; `loss` and
    `logit_loss`, means over the epoch; `learning_rate` at its end; `rate_factor` after training
    diverged; `entropy` of the logits (1 is undecided); `val_mean_iou`, `val_overall_accuracy` and
    `val_iou_0` and so on by class index, where the epoch was validated; `seconds`;
    `peak_memory_mb`; `warning`.

    Args:
        folder: The stage's folder, with `history.jsonl`.

    Raises:
        DataError: A line of the history is damaged.
    """
    return [_flat(row) for row in read_rows(folder / "history.jsonl")]


def write_history_table(folder: Path) -> Path:
    """Write `history.csv` beside `history.jsonl`, with the columns of `flat_history`."""
    rows = flat_history(folder)
    names = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "history.csv"
    write_text(path, text.getvalue())
    return path


def _flat(row: Mapping[str, Any]) -> FlatRow:
    flat: FlatRow = {"epoch": int(row["epoch"]) + 1}
    for column, keys in _COLUMNS.items():
        value: Any = row
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int | float):
            flat[column] = value
    shares: Sequence[Any] = row.get("val", {}).get("iou", [])
    flat |= {f"val_iou_{index}": share for index, share in enumerate(shares) if share is not None}
    if "warning" in row:
        flat["warning"] = str(row["warning"])
    return flat
