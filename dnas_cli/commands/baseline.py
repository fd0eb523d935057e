"""`dnas baseline`: does the search earn its cost?"""

import json
from typing import Annotated

import typer

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AsJson, Quiet, RunArgument, Verbose
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.tiles.lists import Split


@options_from(compute=ComputeOptions)
def baseline(
    run: RunArgument,
    random: Annotated[
        int, typer.Option(min=1, help="Random architectures of about the same cost.")
    ] = 8,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings of each network, the found one included.")
    ] = 3,
    split: Annotated[Split, typer.Option(help="What they are scored on.")] = "test",
    seed: Annotated[int, typer.Option(min=0, help="Of the draws of architectures.")] = 0,
    *,
    compute: ComputeOptions,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare the found network with random architectures.

    They cost about as much and are trained by the run's own recipe, each as a run below
    RUN/baseline. Interrupted, the same command resumes. Figures go to RUN/baseline/results.json and
    results.csv.
    """
    from dnas_cli.evaluation.baseline_figures import baseline_path, compare
    from dnas_cli.report.baseline_table import baseline_text, write_baseline_csv
    from dnas_cli.stages.baseline import BaselineOptions
    from dnas_cli.stages.baseline import baseline as compute_baseline

    options = BaselineOptions(random, seeds, split, seed)
    _, members = compute_baseline(run, options, compute)
    path = baseline_path(run)
    write_baseline_csv(path.with_suffix(".csv"), members)
    if as_json:
        typer.echo(json.dumps(json.loads(path.read_text())))
    else:
        typer.echo(baseline_text(compare(members), members))
