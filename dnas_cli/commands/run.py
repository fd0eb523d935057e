"""`dnas run`: from tiles to a model with figures, in one command."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dnas_cli.commands import options
from dnas_cli.commands.field_options import options_from
from dnas_cli.errors import UsageError
from dnas_cli.run.settings import SearchSettings
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.new_run import NewRun
from dnas_cli.standard_streams import print_json
from dnas_cli.training.settings_choice import Sources
from dnas_cli.typed_fields import SettingValue

Step = Literal["1", "2", "3", "retrain", "eval"]


@options_from(new_run=NewRun, sources=Sources, flags=SearchSettings, compute=ComputeOptions)
def run(
    run: options.RunArgument,
    new_run: NewRun,
    sources: Sources,
    first: Annotated[
        Step, typer.Option("--from", help="First step; earlier steps must be finished.")
    ] = "1",
    last: Annotated[Step, typer.Option("--until", help="Last step.")] = "eval",
    branch: Annotated[
        Path | None,
        typer.Option(metavar="NEW_RUN", help="Copy the steps before --from, and continue there."),
    ] = None,
    budget: options.Budget = None,
    logits_from: options.LogitsFrom = None,
    retrain_epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs of the retraining. [default: 200; quick: 20]", rich_help_panel="Training"
        ),
    ] = None,
    *,
    flags: dict[str, SettingValue],
    compute: ComputeOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="With --budget: measure, print the plan, and write nothing.",
            rich_help_panel="Output",
        ),
    ] = False,
    report: options.Report = False,
    log: options.Log = None,
    as_json: options.AsJson = False,
) -> None:
    """Search, decode, retrain and score: from tiles to a model.

    Ctrl-C saves and stops; the same command resumes. The single commands do the same work and can
    take turns with this one. Settings hold for all stages.
    """
    from dnas_cli import api
    from dnas_cli.report.after_epoch import epoch_callbacks
    from dnas_cli.report.run_summary import print_summary
    from dnas_cli.stages.run_status import read_status

    if dry_run:
        from dnas_cli.report.plan_table import print_plan

        if budget is None:
            raise UsageError(
                "dry_run=True: prints the plan of a budget.", "Give budget=45m as well."
            )
        print_plan(api.plan(run, budget, **vars(new_run), **vars(compute)))
        return
    flags |= {} if logits_from is None else {"logits_from": logits_from}
    steps: dict[str, Any] = {"first": first, "last": last, "branch": branch}
    steps |= {"budget": budget, "retrain_epochs": retrain_epochs}
    given = steps | vars(new_run) | vars(sources) | flags | vars(compute)
    done = api.run_pipeline(run, on_epoch=epoch_callbacks(report, log), **given)
    status = read_status(done)
    if as_json:
        print_json(status.to_json())
    else:
        print_summary(status)
