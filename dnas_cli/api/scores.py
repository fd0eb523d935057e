"""Figures: scores of a model, its cost, what to label next, and what a file or folder is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from dnas_cli.api.path_arguments import (
    AnyModel,
    AnyPath,
    AnyRun,
    Data,
    options_as,
    path_of,
    path_or_none,
)
from dnas_cli.evaluation.evaluation_options import EvaluationOptions
from dnas_cli.evaluation.suggest_options import SuggestOptions
from dnas_cli.run.directory import Run
from dnas_cli.typed_fields import completed, options_of

if TYPE_CHECKING:
    from dnas_cli.evaluation.baseline_figures import Member
    from dnas_cli.evaluation.evaluation import Evaluation
    from dnas_cli.evaluation.suggest_tiles import Suggestion
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


def baseline(run: AnyRun, **options: Any) -> "list[Member]":
    """Train and score random and standard networks beside a run's own, or resume that.

    Figures go to `results.json` and `results.csv` in the run's folder `baseline`.

    Args:
        run: A run that is retrained.
        options: Fields of `BaselineOptions` (random, seeds, peers, ...) and of `ComputeOptions`.

    Returns:
        The networks with their scores, the found one first.

    Raises:
        UsageError: A value cannot work.
        RunStateError: The run is not retrained.
        Interrupted: A signal came; the state is saved.
    """
    from dnas_cli.evaluation.baseline_figures import baseline_path
    from dnas_cli.report.baseline_table import write_baseline_csv
    from dnas_cli.stages.baseline import baseline as score
    from dnas_cli.stages.baseline_options import BaselineOptions
    from dnas_cli.stages.compute_options import ComputeOptions

    compute = {name: options.pop(name) for name in options_of(ComputeOptions) if name in options}
    chosen = options_as(BaselineOptions, options)
    _, members = score(path_of(run), chosen, options_as(ComputeOptions, compute))
    write_baseline_csv(baseline_path(path_of(run)).with_suffix(".csv"), members)
    return members


def suggest(
    model: AnyModel,
    scenes: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    **options: Unpack[SuggestOptions],
) -> "Suggestion":
    """Choose the tiles of scenes to label next: uncertain, rare, unlike each other.

    Args:
        model: A loaded model, a model file or a run.
        scenes: Rasters; folders, patterns and lists (`.txt`) stand for the rasters in them.
        out: The tiles: `.gpkg`, `.geojson` or `.csv`.
        options: See `SuggestOptions`.

    Returns:
        The tiles in the order of their ranks, with how they were scored.

    Raises:
        UsageError: An option cannot work, or the model is an ONNX file.
        DataError: A scene cannot be used, no tile holds enough data, or the run has no model.
        RunStateError: The output exists.
    """
    from dnas_cli.evaluation.suggest_tiles import suggest_tiles
    from dnas_cli.mapping.mapper import MapSettings, load_mapper
    from dnas_cli.mapping.open_scene import scene_reading
    from dnas_cli.run.directory import open_run

    given = completed(SuggestOptions, options)
    if isinstance(model, Run | str | Path):
        path = path_of(model)
        path = open_run(path).trained_model() if path.is_dir() else path
        model = load_mapper(path, given["device"], MapSettings())
    names = [str(item) for item in ([scenes] if isinstance(scenes, str | Path) else scenes)]
    reading, count = scene_reading(given), given["tiles"]
    return suggest_tiles(model, names, reading, Path(out), count, given["overwrite"])


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
