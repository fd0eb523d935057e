"""`dnas status`: the state of a run and its next command."""

import json
from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import AsJson, RunArgument


def status(
    run: RunArgument,
    data: Annotated[
        Path | None,
        typer.Option(metavar="TILES", help="Where the run's tile set is now, if it was moved."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the state of a run and the next command."""
    from dnas_cli import api
    from dnas_cli.report.run_status import status_text
    from dnas_cli.stages.run_status import read_status

    opened = api.open_run(run, data)
    status = read_status(opened)
    typer.echo(json.dumps(status.to_json()) if as_json else status_text(status))
