"""`dnas retrain`: train the derived network from scratch."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dnas_cli.commands import options
from dnas_cli.commands.field_options import options_from
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.training.settings import RetrainSettings


@options_from(flags=RetrainSettings, compute=ComputeOptions, stage_options=StageOptions)
def retrain(
    run: options.RunArgument,
    architecture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Retrain this coding, in a run without searches.",
            rich_help_panel="Network",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="TILES",
            help="Tile set of a new run with --architecture.",
            rich_help_panel="Network",
        ),
    ] = None,
    preset: options.PresetOption = None,
    recipe: options.RecipeOption = None,
    settings: options.SettingsFile = None,
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
    """Train the derived network from scratch: RUN/model.pt.

    Ctrl-C saves and stops; the same command resumes.
    """
    if dry_run:
        from dnas_cli.report.dry_run_table import print_dry_run
        from dnas_cli.stages.dry_run import estimate_retraining
        from dnas_cli.training.settings_choice import SettingsChoice

        choice = SettingsChoice(preset, settings, flags, recipe)
        print_dry_run(estimate_retraining(run, choice, compute, stage_options, architecture, data))
        return
    from dnas_cli import api
    from dnas_cli.report.after_epoch import epoch_callbacks

    sources = {"preset": preset, "recipe": recipe, "settings": settings}
    given = {**sources, **flags, **vars(compute), **vars(stage_options)}
    callbacks = epoch_callbacks(report, log)
    result = api.retrain(run, architecture=architecture, data=data, callbacks=callbacks, **given)
    typer.echo(result.model_path)
