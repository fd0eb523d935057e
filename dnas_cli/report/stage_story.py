"""What a page says about a stage of a run: curves, and the lattice over the epochs."""

from dataclasses import dataclass
from typing import Any

from dnas_cli.errors import DataError, RunStateError
from dnas_cli.report.chart import Series, line_chart
from dnas_cli.report.drawing import Drawing
from dnas_cli.report.lattice import LatticeLook, draw_lattice, edge_width
from dnas_cli.report.logit_trace import EpochLogits, last_change, operators_of, trace_logits
from dnas_cli.report.run_status import TITLES
from dnas_cli.report.training_curves import history_marks, training_charts
from dnas_cli.run.directory import Run
from dnas_cli.run.rows import read_rows
from dnas_cli.space.coding import SearchSpace

_MOST_FRAMES = 100  # epochs that the slider holds; more are thinned out evenly


@dataclass(frozen=True)
class Trace:
    """The lattice over the epochs.

    Attributes:
        drawing: As it is after the last epoch.
        frames: Per epoch: its number, edge widths by key, chosen edges, and node titles.
        changed: Epoch in which the decoded coding changed for the last time.
        entropies: Chart of the entropy per node.
    """

    drawing: Drawing
    frames: list[dict[str, Any]]
    changed: int | None
    entropies: Drawing


@dataclass(frozen=True)
class StageStory:
    """One stage.

    Attributes:
        name: `stage1` to `stage3` or `retrain`.
        title: For people.
        state: Phase of the stage.
        epochs: Epochs done.
        seconds: They took.
        charts: Curves.
        trace: Of a search that has logits.
        settings: As recorded.
    """

    name: str
    title: str
    state: str
    epochs: int
    seconds: float
    charts: list[Drawing]
    trace: Trace | None
    settings: dict[str, Any]


def stage_story(run: Run, name: str) -> StageStory | None:
    """Return what a run holds of a stage; None where the stage has not started."""
    record, folder = run.record(name), run.stage_folder(name)
    rows = read_rows(folder / "history.jsonl")
    if record is None or not rows:
        return None
    epochs = record.settings.get("epochs", len(rows))
    marks = history_marks(rows, record.extensions, epochs)
    return StageStory(
        name,
        TITLES[name],
        record.phase,
        len(rows),
        sum(float(row.get("seconds", 0.0)) for row in rows),
        training_charts(rows, marks),
        _trace(run, int(name[-1])) if name != "retrain" else None,
        record.settings,
    )


def _trace(run: Run, stage: int) -> Trace | None:
    try:
        space = run.space(stage)
        rows = read_rows(run.stage_folder(f"stage{stage}") / "logits.jsonl")
    except (DataError, RunStateError):  # a space encoded again since; status says what to do
        return None
    whole = trace_logits(space, rows)
    if not whole:
        return None
    step = -(-len(whole) // _MOST_FRAMES)
    shown = whole[::-1][::step][::-1]
    frames = [_frame(space, logits) for logits in shown]
    last = frames[-1]
    shares = {} if stage == 3 else dict(whole[-1].shares)
    look = LatticeLook(shares, last["chosen"], last["titles"])
    return Trace(draw_lattice(space.graph, look), frames, last_change(whole), _entropies(whole))


def _frame(space: SearchSpace, logits: EpochLogits) -> dict[str, Any]:
    """Return plain data for the slider."""
    if space.stage == 3:
        titles = {
            node.key: f"node {node.key}\n"
            + "\n".join(
                f"{'* ' if kept else '  '}{name} {100 * share:.0f} %"
                for name, share, kept in operators_of(logits, node)
            )
            for node in space.graph.nodes
        }
        return {"epoch": logits.epoch, "widths": {}, "chosen": [], "titles": titles}
    titles = {key: f"node {key}\nentropy {value:.2f}" for key, value in logits.entropies.items()}
    widths = {key: round(edge_width(share), 2) for key, share in logits.shares.items()}
    return {
        "epoch": logits.epoch,
        "widths": widths,
        "chosen": sorted(logits.chosen),
        "titles": titles,
    }


def _entropies(trace: list[EpochLogits]) -> Drawing:
    """Draw the most and the least decided nodes and the mean of all."""
    last = trace[-1].entropies
    if not last:
        return line_chart("Entropy per node", [])
    ranked = sorted(last, key=lambda key: last[key])
    shown = dict.fromkeys((ranked[0], ranked[len(ranked) // 2], ranked[-1]))
    series = [
        Series(
            f"node {key}",
            tuple((item.epoch, item.entropies[key]) for item in trace if key in item.entropies),
        )
        for key in shown
    ]
    return line_chart("Entropy of three nodes (1 is undecided)", series)
