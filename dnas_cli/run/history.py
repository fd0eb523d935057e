"""The history of a stage as a flat table, for spreadsheets and data frames."""

from pathlib import Path

from dnas_cli.files import write_csv
from dnas_cli.run.rows import EpochRow, read_rows

FlatRow = dict[str, int | float | str]


def flat_history(folder: Path) -> list[FlatRow]:
    """Return the epochs of a stage as flat rows.

    `epoch` counts from 1; `loss` and `logit_loss` are means over the epoch; `learning_rate` is that
    at its end; `rate_factor` is below 1 after training diverged; `entropy` is that of the logits (1
    is undecided); `val_mean_iou`, `val_overall_accuracy` and `val_iou_0` and so on by class index
    are of the validation split; `seconds`, `peak_memory_mb`, `warning`. A row lacks what its epoch
    does not know; lists and codings are left out.

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
    cells = [[row.get(name, "") for name in names] for row in rows]
    path = folder / "history.csv"
    write_csv(path, [names, *cells])
    return path


def _flat(row: EpochRow) -> FlatRow:
    flat: FlatRow = {"epoch": row["epoch"] + 1}
    for key, value in row.items():
        if isinstance(value, str | int | float) and key != "epoch":
            flat[key] = value
    for key, value in row.get("val", {}).items():
        if isinstance(value, int | float):
            flat[f"val_{key}"] = value
        elif isinstance(value, list):
            shares = enumerate(value)
            flat |= {f"val_{key}_{index}": item for index, item in shares if item is not None}
    return flat
