"""Options that several commands share."""

import logging
from functools import partial
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


_in_output = partial(typer.Option, rich_help_panel="Output")
_in_machine = partial(typer.Option, rich_help_panel="Machine")

Quiet = Annotated[
    bool, _in_output("--quiet", "-q", help="Print warnings and errors only.", callback=_quiet)
]
Verbose = Annotated[bool, _in_output("--verbose", "-v", help="Print details.", callback=_verbose)]
AsJson = Annotated[bool, _in_output("--json", help="Print the result as JSON.")]
Overwrite = Annotated[bool, _in_output("--overwrite", help="Replace what exists.")]
Report = Annotated[bool, _in_output("--report", help="Write RUN/report.html after every epoch.")]
Log = Annotated[Literal["tensorboard"] | None, _in_output(help="Also write RUN/tensorboard.")]
DryRun = Annotated[
    bool,
    _in_output("--dry-run", help="Print memory and time of all stages to come; write nothing."),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Choose sizes and epochs for this time: 45m, 8h, 3d.",
        rich_help_panel="Network",
    ),
]
Device = Annotated[str, _in_machine(help="auto, cpu, cuda, cuda:N or mps.")]
Threads = Annotated[
    int,
    _in_machine(
        min=0,
        max=1024,
        help="CPU threads; 0 takes what affinity and container allow.",
        callback=_threads,
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
ScenesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SCENE...",
        help="Rasters, folders, patterns, lists (.txt), /vsi... and s3:// names.",
        show_default=False,
    ),
]
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
