"""Options that several commands share."""

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from dnas_cli import console
from dnas_cli.container import limit_threads
from dnas_cli.scenes.external import external_allowed


def _quiet(value: bool) -> bool:
    if value:
        console.configure(logging.WARNING)
    return value


def _verbose(value: bool) -> bool:
    if value:
        console.configure(logging.DEBUG)
    return value


def _allow_external(ctx: typer.Context, value: bool) -> bool:
    ctx.with_resource(external_allowed(value))
    return value


def _threads(value: int) -> int:
    limit_threads(value)
    return value


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print warnings and errors only.",
        callback=_quiet,
        rich_help_panel="Output",
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Print details.", callback=_verbose, rich_help_panel="Output"
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel="Output")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what exists.", rich_help_panel="Output")
]
Report = Annotated[
    bool,
    typer.Option(
        "--report", help="Write RUN/report.html after every epoch.", rich_help_panel="Output"
    ),
]
Log = Annotated[
    Literal["tensorboard"] | None,
    typer.Option(help="Also write RUN/tensorboard.", rich_help_panel="Output"),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Choose sizes and epochs for this time: 45m, 8h, 3d.",
        rich_help_panel="Network",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print memory and time of all stages to come; write nothing.",
        rich_help_panel="Output",
    ),
]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel="Machine")
]
Threads = Annotated[
    int,
    typer.Option(
        min=0,
        max=1024,
        help="Of the CPU; 0 takes what affinity and container allow.",
        callback=_threads,
        rich_help_panel="Machine",
    ),
]
AllowExternal = Annotated[
    bool,
    typer.Option(
        "--allow-external",
        help="Let VRTs refer to files outside their folder.",
        callback=_allow_external,
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.")]
Stage = Annotated[int, typer.Option(help="1 path, 2 connections, 3 operators.")]
Branch = Annotated[
    Path | None,
    typer.Option(
        metavar="NEW_RUN",
        help="Copy the finished stages into a new run and continue there.",
        rich_help_panel="Branch and resume",
    ),
]
LogitsFrom = Annotated[
    int | None,
    typer.Option(
        help="--warmup as the first epoch, from 1, in which logits learn.",
        rich_help_panel="Training",
    ),
]
