"""An evaluation as text for the terminal; plain text where there is none."""

import os
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dnas_cli.evaluation.evaluate import Evaluation
from dnas_cli.metrics import Metrics
from dnas_cli.report.cost_table import cost_table

_WIDTH = 110  # columns where there is no terminal to ask
_SUMMARY = (
    ("overall accuracy", "overall_accuracy"),
    ("mean class accuracy", "mean_class_accuracy"),
    ("mIoU", "mean_iou"),
    ("frequency-weighted IoU", "frequency_weighted_iou"),
    ("kappa", "kappa"),
)


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the figures to standard output: summary, classes, cost."""
    console = Console(
        file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _WIDTH
    )
    metrics = evaluation.matrix.metrics()
    references = [(item.name, item.matrix.metrics()) for item in evaluation.references]
    for line in _head(evaluation, metrics):
        console.print(line, markup=False, soft_wrap=True)
    for table in (
        _summary(metrics, references),
        _classes(evaluation, metrics, references),
        *([cost_table(evaluation.cost)] if evaluation.cost else []),
    ):
        console.print()
        console.print(table)


def _head(evaluation: Evaluation, metrics: Metrics) -> list[str]:
    """Say what was evaluated on what, and what the references are."""
    subject = evaluation.subject
    near = os.path.relpath(subject.data)
    data = near if len(near) < len(subject.data) else subject.data
    kind = "tile" if subject.split else "image"
    items = f"{subject.items} {kind}{'' if subject.items == 1 else 's'}"
    if subject.split:
        items = f"{subject.split} split, {items}"
    return [
        f"model  {subject.model}",
        f"data   {data} ({items}, {metrics.pixels:,} labelled pixels)",
        *(f"{item.name}: {item.detail}" for item in evaluation.references),
    ]


def _summary(metrics: Metrics, references: Sequence[tuple[str, Metrics]]) -> Table:
    table = _table("")
    for name in ("network", *(name for name, _ in references)):
        table.add_column(name, justify="right")
    for title, key in _SUMMARY:
        values = [getattr(item, key) for item in (metrics, *(item for _, item in references))]
        table.add_row(title, *(_number(value) for value in values))
    return table


def _classes(
    evaluation: Evaluation, metrics: Metrics, references: Sequence[tuple[str, Metrics]]
) -> Table:
    table = _table("class")
    for name in ("share", "IoU", "F1", "precision", "recall"):
        table.add_column(name, justify="right")
    for name, _ in references:
        table.add_column(f"IoU, {name}", justify="right")
    labelled = evaluation.matrix.counts.sum(axis=1) + evaluation.matrix.unpredicted
    for index, land_class in enumerate(evaluation.classes):
        table.add_row(
            Text(land_class.name),  # as it is: brackets are no markup here
            f"{100 * labelled[index] / metrics.pixels:.1f} %",
            *(
                _number(values[index])
                for values in (metrics.iou, metrics.f1, metrics.precision, metrics.recall)
            ),
            *(_number(reference.iou[index]) for _, reference in references),
        )
    return table


def _table(first: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(first)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
