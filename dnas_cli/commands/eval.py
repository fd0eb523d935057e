"""`dnas eval`: the scores of a model, and its cost."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from dnas_cli.commands.options import (
    AllowExternal,
    AsJson,
    Device,
    LabelsAsIs,
    MaxUnknown,
    Overwrite,
    Quiet,
    Verbose,
)
from dnas_cli.tiles.lists import Split


def evaluate(
    target: Annotated[Path, typer.Argument(metavar="RUN_OR_MODEL", help="A run, or a model file.")],
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="A tile set, or a folder of images and labels. [default: the run's]",
        ),
    ] = None,
    split: Annotated[Split, typer.Option(help="Split of the tile set.")] = "test",
    references: Annotated[
        bool,
        typer.Option(
            "--references",
            help="Also score the majority class and the best per-pixel classifier.",
        ),
    ] = False,
    cost: Annotated[
        bool,
        typer.Option(
            "--cost", help="Count multiply-accumulates, parameters, memory; with data also time."
        ),
    ] = False,
    scenes: Annotated[
        bool,
        typer.Option("--scenes", help="Score the whole scenes that the split was cut from."),
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --scenes: their folder. [default: as cut]"),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|YAML", help="The data of a plain folder: gid5, gid15, fbp or a YAML file."
        ),
    ] = None,
    max_unknown: MaxUnknown = 0.05,
    labels_as_is: LabelsAsIs = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the figures. [default: RUN/eval]"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Tiles or windows per forward pass.")] = 4,
    tta: Annotated[
        Literal["flips", "d4"] | None,
        typer.Option(help="Average over 4 mirrored views, or 8 with turns."),
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score a model on labelled data, or count its cost.

    Scores are IoU, accuracy, F1, kappa and the confusion matrix.

    Figures of a run go to RUN/eval: SPLIT.json, confusion.csv, confusion.png. Existing figures of
    the same model and data are kept; --references and --cost add to them. Figures of a model file
    are printed, and written with --out. --cost needs no data.

    With --scenes, and for a folder, scenes are mapped whole as by `dnas predict`, and every
    labelled pixel counts once; a row per scene goes to scenes.csv.
    """
    import json

    needs_data = data or references or scenes or source or dataset or out
    if cost and not needs_data and not target.is_dir():
        _print_cost(target, as_json)
        return

    from dnas_cli import api
    from dnas_cli.report.evaluation_table import print_evaluation

    evaluation = api.evaluate(
        target,
        data,
        split=split,
        references=references,
        cost=cost,
        scenes=scenes,
        source=source,
        dataset=dataset,
        max_unknown=max_unknown,
        labels_as_is=labels_as_is,
        out=out,
        batch=batch,
        device=device,
        overwrite=overwrite,
        views=tta or "plain",
    )
    files = [str(path) for path in evaluation.files]
    if as_json:
        print(json.dumps(evaluation.to_json() | {"files": files}, indent=2))
    else:
        print_evaluation(evaluation)
        for path in files:
            print(path)


def _print_cost(model: Path, as_json: bool) -> None:
    import json

    from dnas_cli.model.cost import model_cost
    from dnas_cli.report.cost_table import print_model_cost

    cost = model_cost(model)
    if as_json:
        print(json.dumps(cost.to_json(), indent=2))
    else:
        print_model_cost(cost)
