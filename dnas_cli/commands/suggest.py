"""`dnas suggest`: what to label next."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AllowExternal, AsJson, ScenesArgument, Threads
from dnas_cli.evaluation.suggest_options import SuggestOptions
from dnas_cli.standard_streams import print_json, print_lines


@options_from(options=SuggestOptions)
def suggest(
    model: Annotated[
        Path, typer.Argument(metavar="RUN_OR_MODEL", help="A run, or a model file (model.pt).")
    ],
    scenes: ScenesArgument,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="PATH", help="The tiles: .gpkg, .geojson or .csv."),
    ],
    *,
    options: SuggestOptions,
    threads: Threads = 0,
    allow_external: AllowExternal = False,
    as_json: AsJson = False,
) -> None:
    """Choose what to label next: uncertain, rare, unlike tiles.

    A tile has a rank, its scene, its first row and column, and how it was scored. Scenes without a
    georeference need a .csv.

    Example: dnas suggest run scenes/ --tiles 50 --out todo.gpkg
    """
    from dnas_cli import api
    from dnas_cli.report.suggestion_text import suggestion_text

    found = api.suggest(model, scenes, out, **options)
    if as_json:
        print_json(found.to_json())
    else:
        print_lines(*suggestion_text(found))
