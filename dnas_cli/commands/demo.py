"""`dnas demo`: the whole pipeline on made scenes."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import Overwrite, Quiet, Verbose


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where everything goes.", show_default=True)
    ] = Path("dnas-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Of scenes, split and training.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make synthetic scenes, and go all the way to a map.

    Each step is a command line that is printed before it runs, to be repeated by hand. Interrupted,
    the same command goes on.
    """
    from dnas_cli.demo.walkthrough import run_demo

    run_demo(folder, seed, overwrite)
