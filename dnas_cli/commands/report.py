"""`dnas report`: a run on one page."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import Device, RunArgument, Threads


def report(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to write it. [default: RUN/report.html]"),
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Write a run on one page: figures, lattice, curves, tiles.

    The lattice over the epochs, what was found, errors, data and provenance are on it as well.

    The page needs no network and no other file. It can be written at any time, and replaces the
    previous one.
    """
    from dnas_cli.report.page_content import page_content
    from dnas_cli.report.run_page import write_run_page
    from dnas_cli.run.directory import open_run

    opened = open_run(run)
    path = out or opened.root / "report.html"
    write_run_page(path, opened, page_content(opened, device=device))
    typer.echo(path)
