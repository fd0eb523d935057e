"""`dnas export-coding`: write a run's architecture for the first release."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from dnas_cli.commands.options import AsJson, Overwrite
from dnas_cli.standard_streams import print_json, print_paths


def export_coding(
    source: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, or an architecture coding (JSON).")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")],
    format: Annotated[
        Literal["release1"],
        typer.Option(help="release1: third_connect.npy and cell_operations.npy."),
    ] = "release1",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write an architecture as files of the first release.

    `dnas import` reads them back to the same coding.
    """
    from dnas_cli import api

    paths = api.export_coding(source, out, overwrite=overwrite)
    if as_json:
        print_json({"files": [str(path) for path in paths]})
    else:
        print_paths(*paths)
