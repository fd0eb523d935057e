"""`dnas decode`: from a stage's trained logits to its coding."""

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AsJson, RunArgument, Stage, Threads
from dnas_cli.stages.decode_options import DecodeOptions
from dnas_cli.standard_streams import print_json, print_paths


@options_from(options=DecodeOptions)
def decode(
    run: RunArgument,
    stage: Stage,
    *,
    options: DecodeOptions,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Decode the logits of a searched stage into its coding.

    Stage 1 gives the path, stage 2 the connections, stage 3 the architecture.
    """
    from dnas_cli import api
    from dnas_cli.run.directory import CODINGS

    result = api.decode(run, stage, **options)
    if as_json:
        print_json(result.coding(stage).to_json())
    else:
        print_paths(result.coding_path(CODINGS[stage]))
