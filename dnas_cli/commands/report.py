"""`dnas report`: a run on one page."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import Device, RunArgument, Threads
from dnas_cli.standard_streams import print_paths


def report(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write the page. [default: RUN/report.html]"),
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Write a run on one page: figures, lattice, curves, tiles.

    It also shows the lattice over the epochs, the network found, errors, data and provenance.

    The page needs no network and no other file. It can be written at any time, and replaces the
    previous one.
    """
    from dnas_cli import api

    print_paths(api.write_report(run, out, device))
