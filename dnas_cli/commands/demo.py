"""`dnas demo`: the whole pipeline on synthetic scenes."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands.options import Overwrite


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of all results.", show_default=True)
    ] = Path("dnas-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of scenes, split and training.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make synthetic scenes, and run all steps to a map.

    Each step prints its command line first. The same command resumes after an interruption.
    """
    from dnas_cli.demo.walkthrough import run_demo

    run_demo(folder, seed, overwrite)
