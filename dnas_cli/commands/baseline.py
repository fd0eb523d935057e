"""`dnas baseline`: does the search earn its cost?"""

from dnas_cli.commands.field_options import options_from
from dnas_cli.commands.options import AsJson, RunArgument
from dnas_cli.stages.baseline_options import BaselineOptions
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.standard_streams import print_json, print_lines


@options_from(options=BaselineOptions, compute=ComputeOptions)
def baseline(
    run: RunArgument,
    *,
    options: BaselineOptions,
    compute: ComputeOptions,
    as_json: AsJson = False,
) -> None:
    """Compare the found network with random and standard ones.

    The random ones cost about as much. All train by the run's own recipe, below RUN/baseline.
    Interrupted, the same command resumes. Figures go to RUN/baseline/results.json and
    results.csv.
    """
    from dnas_cli import api
    from dnas_cli.evaluation.baseline_figures import baseline_path, compare
    from dnas_cli.json_files import read_json
    from dnas_cli.report.baseline_table import baseline_text

    members = api.baseline(run, **vars(options), **vars(compute))
    if as_json:
        print_json(read_json(baseline_path(run)))
    else:
        print_lines(*baseline_text(compare(members), members))
