"""`dnas decode`: from a stage's trained logits to its coding."""

import json
from typing import Annotated

import typer

from dnas_cli.commands.options import (
    AsJson,
    Branch,
    Device,
    Overwrite,
    RunArgument,
    Stage,
    Threads,
)
from dnas_cli.space.decoding import ConnectionRule


def decode(
    run: RunArgument,
    stage: Stage,
    epoch: Annotated[str, typer.Option(help="last, best (val mIoU) or a number from 1.")] = "last",
    rule: Annotated[
        ConnectionRule,
        typer.Option(help="Stage 2 keeps edges of logit above 0, or of more than an equal share."),
    ] = "positive",
    candidates: Annotated[
        int,
        typer.Option(
            min=1, help="Score this many codings inside the trained supernet and keep the best."
        ),
    ] = 1,
    target_macs: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="N", help="Most multiply-accumulates of the network per tile: 4e9."
        ),
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
    branch: Branch = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Decode the logits of a searched stage into its coding.

    Stage 1 gives the path, stage 2 the connections, stage 3 the architecture.
    """
    from dnas_cli import api
    from dnas_cli.run.directory import CODINGS

    result = api.decode(
        run,
        stage,
        epoch=epoch,
        rule=rule,
        candidates=candidates,
        device=device,
        target_macs=None if target_macs is None else int(target_macs),
        overwrite=overwrite,
        branch=branch,
    )
    if as_json:
        typer.echo(json.dumps(result.coding(stage).to_json()))
    else:
        typer.echo(result.coding_path(CODINGS[stage]))
