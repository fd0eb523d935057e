"""The end of a run for a person: figures beside references, cost, time, files, next commands."""

import shlex

from rich.table import Table

from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.json_files import read_json
from dnas_cli.report.run_status import TITLES
from dnas_cli.report.tables import print_parts, table
from dnas_cli.run.directory import CODINGS
from dnas_cli.shown_time import shown_time
from dnas_cli.stages.run_status import RunStatus

_FILES = (
    ("model.pt", "all that `dnas predict` needs"),
    ("eval/test.json", "figures, with confusion.csv and confusion.png"),
    ("report.html", "figures, curves, the network and tiles on one page"),
    ("plan.json", "the plan, with its reasons"),
    ("coding/architecture.json", "the network found"),
)


def print_summary(status: RunStatus) -> None:
    """Print what a run has come to, to standard output."""
    run = status.run
    parts: list[Table | str] = []
    figures = run.evaluation_folder / "test.json"
    if figures.is_file() and "test" not in status.outdated_evaluations:
        parts += _figures(Evaluation.from_json(read_json(figures), str(figures)))
    time = table("time", "epochs", "")
    for name, stage in status.stages.items():
        if stage.epochs:
            time.add_row(TITLES[name], str(stage.epochs), shown_time(stage.seconds))
    total = sum(stage.seconds for stage in status.stages.values())
    time.add_row("in all", "", shown_time(total))
    parts.append(time)
    made = [(run.root / name, what) for name, what in _FILES if (run.root / name).is_file()]
    wide = max((len(str(path)) for path, _ in made), default=0)
    parts += ["", *(f"{path!s:{wide}}  {what}" for path, what in made)]
    parts += ["", f"next  {status.next}"]
    if run.model_path.is_file() and run.coding_path(CODINGS[1]).is_file():
        name = shlex.quote(str(run.root))
        parts.append(f"      dnas baseline {name}    # does the search earn its cost?")
    print_parts(*parts)


def _figures(evaluation: Evaluation) -> list[Table | str]:
    """Return the scores on the test split, and the cost."""
    scored = table(f"test split, {evaluation.subject.items} tiles", "mIoU", "overall accuracy")
    rows = [("network found", evaluation.matrix)]
    rows += [(item.name, item.matrix) for item in evaluation.references]
    for name, matrix in rows:
        metrics = matrix.metrics()
        scored.add_row(name, f"{metrics.mean_iou:.3f}", f"{metrics.overall_accuracy:.3f}")
    parts: list[Table | str] = [scored]
    if (cost := evaluation.cost) is not None:
        line = (
            f"cost  {cost.network.parameters / 1e6:.2f} M weights, "
            f"{cost.network.multiply_accumulates / 1e9:.2f} GMAC a tile of {cost.width} px"
        )
        if cost.timing is not None:
            line += f", {cost.timing.milliseconds:.0f} ms ({cost.timing.device})"
        parts += ["", line, ""]
    return parts
