"""`dnas status`: the state of a run and its next command."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import AsJson, RunArgument
from dnas_cli.standard_streams import print_json, print_lines


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
    if as_json:
        print_json(status.to_json())
    else:
        print_lines(*status_text(status))
