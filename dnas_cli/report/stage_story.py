"""What a page says about a stage of a run: curves, and the lattice over the epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dnas_cli.errors import DataError, RunStateError
from dnas_cli.report.chart import Series, line_chart
from dnas_cli.report.drawing import Drawing
from dnas_cli.report.lattice import LatticeLook, draw_lattice, edge_width
from dnas_cli.report.logit_trace import EpochLogits, last_change, operator_titles, trace_logits
from dnas_cli.report.run_status import TITLES
from dnas_cli.report.training_curves import history_marks, training_charts
from dnas_cli.run.command_log import read_commands
from dnas_cli.run.directory import Run
from dnas_cli.run.rows import read_logits, read_rows
from dnas_cli.space.coding import SearchSpace
from dnas_cli.space.operators import OPERATORS
from dnas_cli.stages.lattice_costs import LatticeCosts

_MOST_FRAMES = 100  # epochs that the slider holds; more are thinned out evenly


@dataclass(frozen=True)
class Trace:
    """The lattice over the epochs.

    Attributes:
        drawing: As it is after the last epoch.
        frames: What the slider shows, as plain data.
        epochs: The epochs of the slider.
        changed: Epoch in which the decoded coding changed for the last time.
        charts: Entropy per node; multiply-accumulates where they are known.
    """

    drawing: Drawing
    frames: dict[str, Any]
    epochs: tuple[int, ...]
    changed: int | None
    charts: Sequence[Drawing]


@dataclass(frozen=True)
class StageStory:
    """One stage.

    Attributes:
        name: `stage1` to `stage3` or `retrain`.
        title: For people.
        epochs: Epochs done.
        seconds: Time that they took.
        charts: Curves.
        trace: Of a search that has logits.
    """

    name: str
    title: str
    epochs: int
    seconds: float
    charts: Sequence[Drawing]
    trace: Trace | None


def stage_story(run: Run, name: str, costs: LatticeCosts | None = None) -> StageStory | None:
    """Return what a run holds of a stage; None where the stage has not started.

    Args:
        run: The run.
        name: `stage1` to `stage3` or `retrain`.
        costs: Of the network to be; without, there is no chart of them.
    """
    record, folder = run.record(name), run.stage_folder(name)
    rows = read_rows(folder / "history.jsonl")
    if record is None or not rows:
        return None
    epochs = int(record.settings.get("epochs", len(rows)))
    marks = history_marks(rows, record.extensions, epochs, read_commands(folder))
    return StageStory(
        name,
        TITLES[name],
        len(rows),
        sum(float(row.get("seconds", 0.0)) for row in rows),
        training_charts(rows, marks),
        _trace(run, int(name[-1]), costs) if name != "retrain" else None,
    )


def _trace(run: Run, stage: int, costs: LatticeCosts | None) -> Trace | None:
    try:
        space = run.space(stage)
        rows = read_logits(run.stage_folder(f"stage{stage}") / "logits.jsonl")
    except (DataError, RunStateError):  # a space encoded again since; status says what to do
        return None
    whole = trace_logits(space, rows)
    if not whole:
        return None
    step = -(-len(whole) // _MOST_FRAMES)
    shown = whole[::-1][::step][::-1]
    charts = [_entropies(whole)]
    if costs is not None:
        charts.append(_costs(space, shown, costs))
    return Trace(
        draw_lattice(space.graph, lattice_look(space, whole[-1])),
        _frames(space, shown),
        tuple(item.epoch for item in shown),
        last_change(whole),
        charts,
    )


def lattice_look(space: SearchSpace, logits: EpochLogits, heading: str = "") -> LatticeLook:
    """Return how the lattice of a space looks with the logits of an epoch."""
    decided = {key: 1 - value for key, value in logits.entropies.items()}
    if space.stage == 3:
        return LatticeLook(decided=decided, titles=operator_titles(space, logits), heading=heading)
    titles = {key: f"node {key}\nentropy {value:.2f}" for key, value in logits.entropies.items()}
    return LatticeLook(dict(logits.shares), logits.chosen, titles, decided=decided, heading=heading)


def _frames(space: SearchSpace, shown: Sequence[EpochLogits]) -> dict[str, Any]:
    """Return plain data for the slider: lists by the order of keys, so that a page stays small."""
    nodes = [node.key for node in space.graph.nodes if node.key in shown[-1].entropies]
    frames: dict[str, Any] = {
        "epochs": [item.epoch for item in shown],
        "nodes": nodes,
        "entropies": [[round(item.entropies[key], 2) for key in nodes] for item in shown],
    }
    if space.stage == 3:
        keys = [[f"{node}/{name}" for name in OPERATORS] for node in nodes]
        percents = [[[round(100 * s.shares[k]) for k in own] for own in keys] for s in shown]
        kept = [
            [[k for k, key in enumerate(own) if key in s.chosen] for own in keys] for s in shown
        ]
        return frames | {"operators": list(OPERATORS), "percents": percents, "kept": kept}
    edges = [item.key for item in space.graph.edges]
    return frames | {
        "edges": edges,
        "widths": [[round(edge_width(item.shares[key]), 1) for key in edges] for item in shown],
        "percents": [[round(100 * item.shares[key]) for key in edges] for item in shown],
        "chosen": [[k for k, key in enumerate(edges) if key in item.chosen] for item in shown],
    }


def _entropies(trace: Sequence[EpochLogits]) -> Drawing:
    """Draw the entropy of every node, naming the most and the least decided one."""
    last = trace[-1].entropies
    if not last:
        return line_chart("Entropy per node", [])
    ranked = sorted(last, key=lambda key: last[key])
    named = dict.fromkeys((ranked[0], ranked[len(ranked) // 2], ranked[-1]))
    series = [
        Series(
            key if key in named else "",
            tuple((item.epoch, item.entropies[key]) for item in trace if key in item.entropies),
        )
        for key in (*named, *(key for key in ranked if key not in named))
    ]
    return line_chart("Entropy per node (1 is undecided)", series)


def _costs(space: SearchSpace, shown: Sequence[EpochLogits], costs: LatticeCosts) -> Drawing:
    """Draw the cost of what is decoded, and of what logits expect."""
    decoded, expected = list[tuple[int, float]](), list[tuple[int, float]]()
    for item in shown:
        graph = getattr(item.coding, "graph", space.graph)
        decoded.append((item.epoch, costs.of_coding(item.coding)))
        mean = costs.expected(space, item.logits, graph.outputs)
        expected.append((item.epoch, mean))
    largest = max(value for _, value in (*decoded, *expected))
    unit, name = (1e9, "G") if largest >= 1e9 else (1e6, "M")
    return line_chart(
        f"{name} multiply-accumulates per tile",
        [
            Series(what, tuple((epoch, value / unit) for epoch, value in points))
            for what, points in (("decoded", decoded), ("expected", expected))
        ],
    )
