"""Figures: scores of a model, its cost, and what a file or folder is."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from dnas_cli.api.path_arguments import AnyModel, AnyPath, Data, path_of, path_or_none
from dnas_cli.evaluation.evaluation_options import EvaluationOptions
from dnas_cli.run.directory import Run
from dnas_cli.typed_fields import completed

if TYPE_CHECKING:
    from dnas_cli.evaluation.evaluation import Evaluation
    from dnas_cli.stages.known_files import KnownFile


def evaluate(
    model: AnyModel, data: "Data | None" = None, **options: Unpack[EvaluationOptions]
) -> "Evaluation":
    """Score a model on labelled data: IoU, accuracy, F1, kappa, confusion matrix.

    Args:
        model: A loaded model, a model file or a run.
        data: A tile set, or a folder of images and labels; the run's tile set when missing.
        options: See `EvaluationOptions`.

    Returns:
        The figures; `mean_iou` is from 0 to 1.

    Raises:
        UsageError: The values do not go together.
        DataError: Model or data are missing, damaged, or do not fit together.
        RunStateError: Other figures exist where these would go.
        OtherShardsMissing: Others are to be scored before there are figures.
    """
    from dnas_cli.evaluation.shards import remove_scores
    from dnas_cli.report.evaluation_files import write_evaluation
    from dnas_cli.report.scene_panel import write_panel
    from dnas_cli.stages.evaluate import evaluate_model

    target = path_of(model) if isinstance(model, Run | str | Path) else model
    given = completed(EvaluationOptions, options)
    evaluation, folder = evaluate_model(target, path_or_none(data), given, write_panel)
    if folder is None:
        return evaluation
    files = write_evaluation(folder, evaluation)
    remove_scores(folder, evaluation.subject)
    return replace(evaluation, files=(*files, *evaluation.files))


def info(path: AnyPath) -> "KnownFile":
    """Say what a file or folder is.

    Args:
        path: A run, tile set, coding, evaluation, model, checkpoint, or anything that GDAL reads.

    Returns:
        Its kind, and facts with `to_json`.

    Raises:
        DataError: It is damaged, or nothing that dnas knows.
    """
    from dnas_cli.stages.known_files import read_known_file

    return read_known_file(str(path))
