"""`dnas encode`: write a stage's search space into a run."""

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import Branch, Overwrite, RunArgument, Stage
from dnas_cli.stages.new_run import NewRun
from dnas_cli.standard_streams import print_paths


@options_from(new_run=NewRun)
def encode(
    run: RunArgument,
    stage: Stage,
    new_run: NewRun,
    branch: Branch = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the search space of a stage; stage 1 creates the run.

    Stage 2 is derived from coding/path.json, stage 3 from coding/connections.json. `dnas search`
    does this by itself when the space is missing.
    """
    from dnas_cli import api

    result = api.encode(run, stage, **vars(new_run), overwrite=overwrite, branch=branch)
    print_paths(result.coding_path(f"stage{stage}"))
