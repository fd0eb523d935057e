"""Options that several commands share, so that they look and behave the same everywhere."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from dnas_cli import console


def _quiet(value: bool) -> bool:
    if value:
        console.configure(logging.WARNING)
    return value


def _verbose(value: bool) -> bool:
    if value:
        console.configure(logging.DEBUG)
    return value


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.", callback=_quiet)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print details as well.", callback=_verbose)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", show_default=True)]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.")]
