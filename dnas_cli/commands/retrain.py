"""`dnas retrain`: train the derived network from scratch."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands import options
from dnas_cli.commands.field_options import options_from
from dnas_cli.run.settings import RetrainSettings
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.standard_streams import print_paths
from dnas_cli.training.settings_choice import Sources
from dnas_cli.typed_fields import SettingValue


@options_from(
    sources=Sources, flags=RetrainSettings, compute=ComputeOptions, stage_options=StageOptions
)
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
    budget: options.Budget = None,
    *,
    sources: Sources,
    flags: dict[str, SettingValue],
    compute: ComputeOptions,
    stage_options: StageOptions,
    report: options.Report = False,
    log: options.Log = None,
    dry_run: options.DryRun = False,
) -> None:
    """Train the derived network from scratch: RUN/model.pt.

    Ctrl-C saves and stops; the same command resumes.
    """
    from dnas_cli import api

    inputs = {"architecture": architecture, "data": data, "budget": budget}
    given = inputs | vars(sources) | flags | vars(compute) | vars(stage_options)
    if dry_run:
        from dnas_cli.report.dry_run_table import print_dry_run

        print_dry_run(api.estimate(run, **given))
        return
    from dnas_cli.report.after_epoch import epoch_callbacks

    result = api.retrain(run, on_epoch=epoch_callbacks(report, log), **given)
    print_paths(result.model_path)
