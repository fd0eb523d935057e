"""`dnas eval`: the scores of a model, and its cost."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AllowExternal, AsJson, Threads
from dnas_cli.evaluation.evaluation_options import EvaluationOptions
from dnas_cli.model.cost_options import CostOptions
from dnas_cli.shard import shard_of_job_array
from dnas_cli.standard_streams import print_json, print_lines, print_paths


@options_from(options=EvaluationOptions, network=CostOptions)
def evaluate(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_MODEL", help="A run, or a model file; with --cost an architecture."
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="A tile set, or a folder of images and labels. [default: the run's]",
        ),
    ] = None,
    *,
    options: EvaluationOptions,
    network: CostOptions,
    threads: Threads = 0,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
) -> None:
    """Score a model on labelled data, or count its cost.

    Scores are IoU, accuracy, F1, kappa and the confusion matrix.

    Figures of a run go to RUN/eval: SPLIT.json, confusion.csv, confusion.png. Existing figures of
    the same model and data are kept; --references and --cost add to them. Figures of a model file
    are printed, and written with --out. --cost alone needs no data.

    With --scenes, and for a folder, scenes are mapped whole as by `dnas predict`, and every
    labelled pixel counts once; a row per scene goes to scenes.csv. --maps does so and writes the
    map of each scene, an error raster that says which class was taken for which, and a picture.
    """
    from dnas_cli import api

    needs_data = {"references", "scenes", "source", "dataset", "out", "maps"}
    if options["cost"] and not target.is_dir() and not (data or any(map(options.get, needs_data))):
        from dnas_cli.report.cost_table import print_model_cost

        cost = api.count_cost(target, **network)
        if as_json:
            print_json(cost.to_json())
        else:
            print_model_cost(cost)
        return

    from dnas_cli.evaluation.baseline_figures import baseline_path, read_comparison
    from dnas_cli.report.baseline_table import baseline_line
    from dnas_cli.report.evaluation_table import print_evaluation

    options["shard"] = options.get("shard") or shard_of_job_array()
    evaluation = api.evaluate(target, data, **options)
    files = [str(path) for path in evaluation.files]
    if as_json:
        print_json(evaluation.to_json() | {"files": files})
    else:
        print_evaluation(evaluation)
        if comparison := read_comparison(baseline_path(target)):
            print_lines(f"baseline: {baseline_line(comparison)}")
        print_paths(*files)
