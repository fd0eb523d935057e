"""`dnas status`: the state of a run and its next command."""

import json

import typer

from dnas_cli.commands.options import AsJson, RunArgument


def status(run: RunArgument, as_json: AsJson = False) -> None:
    """Show the state of a run and the next command."""
    from dnas_cli import api
    from dnas_cli.report.run_status import status_text
    from dnas_cli.stages.run_status import read_status

    status = read_status(api.open_run(run))
    typer.echo(json.dumps(status.to_json()) if as_json else status_text(status))
