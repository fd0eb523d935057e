"""The files of an evaluation: figures as JSON, the confusion matrix as table and picture."""

from pathlib import Path

from dnas_cli.evaluation.evaluate import Evaluation
from dnas_cli.evaluation.stored import evaluation_files
from dnas_cli.files import write_json
from dnas_cli.report.confusion import write_confusion_csv, write_confusion_png


def write_evaluation(folder: Path, evaluation: Evaluation) -> tuple[Path, Path, Path]:
    """Write the figures, the table and the picture, and return their paths."""
    json_path, csv_path, png_path = evaluation_files(folder, evaluation.subject.split)
    subject = evaluation.subject
    where = f"{Path(subject.data).name}, {subject.split} split" if subject.split else subject.data
    write_json(json_path, evaluation.to_json())
    write_confusion_csv(csv_path, evaluation.matrix, evaluation.classes)
    write_confusion_png(png_path, evaluation.matrix, evaluation.classes, where)
    return json_path, csv_path, png_path
