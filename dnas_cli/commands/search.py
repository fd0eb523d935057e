"""`dnas search`: train a stage's supernet."""

from dnas_cli.commands import options
from dnas_cli.commands.field_options import options_from
from dnas_cli.run.settings import SearchSettings
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.new_run import NewRun
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.standard_streams import print_paths
from dnas_cli.training.settings_choice import Sources
from dnas_cli.typed_fields import SettingValue


@options_from(
    new_run=NewRun, sources=Sources, flags=SearchSettings, compute=ComputeOptions,
    stage_options=StageOptions,
)  # fmt: skip
def search(
    run: options.RunArgument,
    stage: options.Stage,
    new_run: NewRun,
    sources: Sources,
    budget: options.Budget = None,
    logits_from: options.LogitsFrom = None,
    *,
    flags: dict[str, SettingValue],
    compute: ComputeOptions,
    stage_options: StageOptions,
    report: options.Report = False,
    log: options.Log = None,
    dry_run: options.DryRun = False,
) -> None:
    """Search a stage: 1 path, 2 connections, 3 operators.

    Ctrl-C saves and stops; the same command resumes. A stage keeps the settings that it
    started with.
    """
    from dnas_cli import api

    flags |= {} if logits_from is None else {"logits_from": logits_from}
    given = (
        {"budget": budget}
        | vars(new_run)
        | vars(sources)
        | flags
        | vars(compute)
        | vars(stage_options)
    )
    if dry_run:
        from dnas_cli.report.dry_run_table import print_dry_run

        print_dry_run(api.estimate(run, stage, **given))
        return
    from dnas_cli.report.after_epoch import epoch_callbacks

    result = api.search(run, stage, on_epoch=epoch_callbacks(report, log), **given)
    print_paths(result.stage_folder(f"stage{stage}"))
