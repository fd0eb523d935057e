"""An evaluation as text, with styles on a terminal."""

import os
from collections.abc import Sequence

from rich.table import Table

from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.evaluation.scenes import SceneScore
from dnas_cli.mapping.scene_result import Comparison
from dnas_cli.metrics import ConfusionMatrix, Metrics
from dnas_cli.report.cost_table import cost_table
from dnas_cli.report.tables import print_parts, table
from dnas_cli.scenes.palette import LandClass

_MOST_SCENES = 20
_SUMMARY = (
    ("overall accuracy", "overall_accuracy"),
    ("mean class accuracy", "mean_class_accuracy"),
    ("mIoU", "mean_iou"),
    ("frequency-weighted IoU", "frequency_weighted_iou"),
    ("kappa", "kappa"),
)


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the figures to standard output: summary, classes, scenes, cost."""
    metrics = evaluation.matrix.metrics()
    references = [(item.name, item.matrix.metrics()) for item in evaluation.references]
    head = _head(evaluation, metrics)
    tables = [
        _summary(metrics, references),
        _classes(evaluation.matrix, evaluation.classes, metrics, references),
    ]
    if len(evaluation.scenes) > 1:
        tables.append(_scenes(evaluation.scenes))
    if evaluation.cost:
        tables.append(cost_table(evaluation.cost))
    print_parts(*head, *tables)


def print_comparison(comparison: Comparison) -> None:
    """Print the comparison of a map with a label to standard output: summary and classes."""
    matrix, metrics = comparison.matrix, comparison.matrix.metrics()
    print_parts(
        f"against {comparison.label} ({metrics.pixels:,} labelled pixels)",
        _summary(metrics, []),
        _classes(matrix, comparison.classes, metrics, []),
    )


def _head(evaluation: Evaluation, metrics: Metrics) -> list[str]:
    """Return the lines about model, data and references."""
    subject = evaluation.subject
    near = os.path.relpath(subject.data)
    data = near if len(near) < len(subject.data) else subject.data
    items = f"{subject.items} {subject.unit}{'' if subject.items == 1 else 's'}"
    if subject.split:
        items = f"{subject.split} split, {items}"
    return [
        f"model  {subject.model}",
        f"data   {data} ({items}, {metrics.pixels:,} labelled pixels)",
        *(f"{item.name}: {item.detail}" for item in evaluation.references),
    ]


def _summary(metrics: Metrics, references: Sequence[tuple[str, Metrics]]) -> Table:
    made = table("", "network", *(name for name, _ in references))
    for title, key in _SUMMARY:
        values = [getattr(item, key) for item in (metrics, *(item for _, item in references))]
        made.add_row(title, *(_number(value) for value in values))
    return made


def _scenes(scenes: Sequence[SceneScore]) -> Table:
    """List the scenes, the worst first; of many, only the worst."""
    scored = [(scene, scene.matrix.metrics()) for scene in scenes if scene.matrix.pixels]
    scored.sort(key=lambda item: item[1].mean_iou)
    shown = scored[:_MOST_SCENES]
    first = "scene" if len(shown) == len(scenes) else f"scene, {len(shown)} of {len(scenes)}"
    made = table(first, "labelled pixels", "overall accuracy", "mIoU", "kappa")
    for scene, metrics in shown:
        figures = (metrics.overall_accuracy, metrics.mean_iou, metrics.kappa)
        numbers = (_number(value) for value in figures)
        made.add_row(scene.name, f"{metrics.pixels:,}", *numbers)
    return made


def _classes(
    matrix: ConfusionMatrix,
    classes: Sequence[LandClass],
    metrics: Metrics,
    references: Sequence[tuple[str, Metrics]],
) -> Table:
    others = (f"IoU, {name}" for name, _ in references)
    made = table("class", "share", "IoU", "F1", "precision", "recall", *others)
    labelled = matrix.counts.sum(axis=1) + matrix.unpredicted
    for index, land_class in enumerate(classes):
        made.add_row(
            land_class.name,
            f"{100 * labelled[index] / metrics.pixels:.1f}%",
            *(
                _number(values[index])
                for values in (metrics.iou, metrics.f1, metrics.precision, metrics.recall)
            ),
            *(_number(reference.iou[index]) for _, reference in references),
        )
    return made


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
