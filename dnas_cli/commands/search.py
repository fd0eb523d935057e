"""`dnas search`: train a stage's supernet."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dnas_cli.commands import options
from dnas_cli.commands.field_options import options_from
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.training.settings import SearchSettings


@options_from(flags=SearchSettings, compute=ComputeOptions, stage_options=StageOptions)
def search(
    run: options.RunArgument,
    stage: options.Stage,
    data: Annotated[
        Path | None,
        typer.Option(metavar="TILES", help="Tile set of a new run.", rich_help_panel="Network"),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(help="Of a new run. [default: 12; quick: 5]", rich_help_panel="Network"),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="Of a new run. [default: 40; quick: 8]", rich_help_panel="Network"),
    ] = None,
    preset: options.PresetOption = None,
    recipe: options.RecipeOption = None,
    settings: options.SettingsFile = None,
    logits_from: options.LogitsFrom = None,
    *,
    flags: dict[str, Any],
    compute: ComputeOptions,
    stage_options: StageOptions,
    report: options.Report = False,
    log: options.Log = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Search a stage: 1 path, 2 connections, 3 operators.

    Ctrl-C saves and stops; the same command resumes. A stage keeps the settings that it was
    started with.
    """
    flags |= {} if logits_from is None else {"logits_from": logits_from}
    if dry_run:
        from dnas_cli.report.dry_run_table import print_dry_run
        from dnas_cli.stages.begin_run import NewRun
        from dnas_cli.stages.dry_run import estimate_search
        from dnas_cli.training.settings_choice import SettingsChoice

        choice = SettingsChoice(preset, settings, flags, recipe)
        new_run = NewRun(data, layers, width)
        print_dry_run(estimate_search(run, stage, choice, new_run, compute, stage_options))
        return
    from dnas_cli import api
    from dnas_cli.report.after_epoch import epoch_callbacks

    sources = {"preset": preset, "recipe": recipe, "settings": settings}
    callbacks = epoch_callbacks(report, log)
    size = {"layers": layers, "width": width}
    given = {**size, **sources, **flags, **vars(compute), **vars(stage_options)}
    result = api.search(run, stage, data=data, callbacks=callbacks, **given)
    typer.echo(result.stage_folder(f"stage{stage}"))
