"""`dnas encode`: write a stage's search space into a run."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import Branch, Overwrite, Quiet, RunArgument, Stage, Verbose


def encode(
    run: RunArgument,
    stage: Stage,
    data: Annotated[
        Path | None, typer.Option(metavar="TILES", help="Tile set of a new run (stage 1).")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(help="Layers of the lattice (stage 1). [default: 12]")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Channels of the finest scale (stage 1). [default: 40]")
    ] = None,
    branch: Branch = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the search space of a stage; stage 1 creates the run.

    Stage 2 is derived from coding/path.json, stage 3 from coding/connections.json. `dnas search`
    does this by itself when the space is missing.
    """
    from dnas_cli import api

    result = api.encode(
        run, stage, data=data, layers=layers, width=width, overwrite=overwrite, branch=branch
    )
    typer.echo(result.coding_path(f"stage{stage}"))
