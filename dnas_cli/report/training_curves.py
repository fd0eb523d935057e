"""Curves of a stage's training: losses, validation, learning rate, entropy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnas_cli.files import write_bytes
from dnas_cli.report.chart import Mark, Series, line_chart, stack
from dnas_cli.report.drawing import Drawing, to_png
from dnas_cli.run.command_log import CommandRecord
from dnas_cli.run.manifest import Extension
from dnas_cli.run.rows import EpochRow

Rows = Sequence[EpochRow]


def training_charts(rows: Rows, marks: Sequence[Mark] = ()) -> list[Drawing]:
    """Return the charts of a stage.

    Args:
        rows: Rows of the stage's history.
        marks: What happened between epochs.
    """
    losses = [_series(rows, "loss", "weights", "lowest"), _series(rows, "logit_loss", "logits")]
    scores = [
        Series("mIoU", _points(rows, "val", "mean_iou"), "highest"),
        Series("accuracy", _points(rows, "val", "overall_accuracy")),
    ]
    return [
        line_chart("Loss", losses, marks),
        line_chart("Validation", scores, marks),
        line_chart("Learning rate", [_series(rows, "learning_rate", "weights")], marks),
    ]


def history_marks(
    rows: Rows,
    extensions: Sequence[Extension],
    epochs: int,
    commands: Sequence[CommandRecord] = (),
) -> list[Mark]:
    """Return what interrupted or changed a stage: resumed, extended, backed off.

    Args:
        rows: Rows of the stage's history.
        extensions: Of the stage's record.
        epochs: Epochs of its settings.
        commands: Those that worked on the stage.
    """
    marks = []
    factor = 1.0
    for row in rows:
        epoch = int(row["epoch"])
        if row.get("rate_factor", 1.0) != factor:
            factor = float(row["rate_factor"])
            marks.append(Mark(epoch, "backed off"))
    for extension in extensions:
        marks.append(Mark(epochs, "extended"))
        epochs += extension.epochs
    known = {mark.epoch for mark in marks}
    trained = {item.epochs_done for item in commands if item.work == "training"}
    marks += [Mark(epoch, "resumed") for epoch in sorted(trained - known)]
    return [mark for mark in marks if 0 < mark.epoch < len(rows)]


def write_progress_picture(path: Path, title: str, rows: Rows, marks: Sequence[Mark] = ()) -> None:
    """Write a stage's curves as a PNG, atomically; with the mean entropy of a search's logits."""
    charts, entropy = training_charts(rows, marks), _series(rows, "entropy", "mean entropy")
    if entropy.points:
        charts.append(line_chart("Entropy of the logits (1 is undecided)", [entropy], marks))
    write_bytes(path, to_png(stack(charts, 2, title), 1.5))


def _series(rows: Rows, key: str, name: str, best: str = "") -> Series:
    return Series(name, _points(rows, key), best)


def _points(rows: Rows, *keys: str) -> tuple[tuple[int, float], ...]:
    points = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int | float):
            points.append((int(row["epoch"]) + 1, float(value)))
    return tuple(points)
