"""The files of an evaluation: figures as JSON; confusion matrix and scenes as tables."""

from collections.abc import Sequence
from pathlib import Path

from dnas_cli.claimed_outputs import writing_outputs
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.evaluation.scenes import SceneScore
from dnas_cli.evaluation.stored import evaluation_files
from dnas_cli.file_lock import locked
from dnas_cli.files import make_folder, remove_leftovers, write_csv
from dnas_cli.json_files import write_json
from dnas_cli.report.confusion import write_confusion_csv, write_confusion_png
from dnas_cli.scenes.palette import LandClass

_COLUMNS = (
    "overall_accuracy", "mean_class_accuracy", "mean_iou", "frequency_weighted_iou", "kappa",
)  # fmt: skip


def write_evaluation(folder: Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write the figures, the tables and the picture, and return their paths."""
    subject = evaluation.subject
    files = evaluation_files(folder, subject.split, subject.unit)
    where = f"{Path(subject.data).name}, {subject.split} split" if subject.split else subject.data
    where += ", whole scenes" if subject.split and subject.unit == "scene" else ""
    make_folder(folder)
    with locked(folder, wait=True), writing_outputs(files.all):
        for path in files.all:
            remove_leftovers(folder, path.name)
        write_json(files.figures, evaluation.to_json())
        write_confusion_csv(files.confusion, evaluation.matrix, evaluation.classes)
        write_confusion_png(files.picture, evaluation.matrix, evaluation.classes, where)
        if files.scenes is not None:
            write_scenes_csv(files.scenes, evaluation.scenes, evaluation.classes)
    return files.all


def write_scenes_csv(
    path: Path, scenes: Sequence[SceneScore], classes: Sequence[LandClass]
) -> None:
    """Write a row per scene: size, labelled pixels, the figures, the IoU of each class.

    A cell is empty if its figure is undefined: the class occurs in neither labels nor map, or the
    scene has no labelled pixel.
    """
    head = ["scene", "image", "label", "width", "height", "labelled_pixels", *_COLUMNS]
    rows: list[list[object]] = [[*head, *(f"iou {item.name}" for item in classes)]]
    for scene in scenes:
        row = [scene.name, scene.image, scene.label, scene.width, scene.height]
        figures: list[float | None] = [None] * (len(_COLUMNS) + len(classes))
        if scene.matrix.pixels:
            metrics = scene.matrix.metrics()
            figures = [*(getattr(metrics, name) for name in _COLUMNS), *metrics.iou]
        numbers = ["" if value is None else f"{value:.6f}" for value in figures]
        rows.append([*row, scene.matrix.pixels, *numbers])
    write_csv(path, rows)
