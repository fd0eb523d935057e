"""The verdict of a page: the network beside everything it is compared with."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from dnas_cli.bootstrap import Interval, Intervals, iou_intervals
from dnas_cli.evaluation.baseline_figures import FOUND, Comparison, Member
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.evaluation.tile_scores import by_scene
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.report.drawing import Box, Disc, Drawing, Line, Text
from dnas_cli.report.page_content import PageContent

_MOST_MEMBERS = 12  # of a baseline that have a row of their own
_WIDTH, _ROW, _LEFT = 560.0, 22.0, 214.0


@dataclass(frozen=True)
class Figure:
    """A number of the page.

    Attributes:
        value: None where it is undefined.
        source: The file of the run it is from, and its place there; empty where it is computed.
        interval: 95 % of resamplings.
    """

    value: float | None
    source: str = ""
    interval: Interval | None = None


@dataclass(frozen=True)
class VerdictRow:
    """A network or a reference.

    Attributes:
        name: What it is.
        group: `found`, `reference` or `baseline`.
        mean_iou: Mean IoU.
        accuracy: Overall accuracy.
        iou: Per class.
    """

    name: str
    group: str
    mean_iou: Figure
    accuracy: Figure
    iou: tuple[Figure, ...]


@dataclass(frozen=True)
class Verdict:
    """How good a network is.

    Attributes:
        evaluation: Of the network.
        rows: The network first.
        units: What intervals are drawn from, such as `9 scenes`; empty without intervals.
        chart: The rows as points and lines.
        comparison: With random architectures.
    """

    evaluation: Evaluation
    rows: tuple[VerdictRow, ...]
    units: str
    chart: Drawing
    comparison: Comparison | None


def verdict(content: PageContent) -> Verdict | None:
    """Return the verdict; None where nothing is evaluated."""
    evaluation = content.evaluation or content.of_scenes
    if evaluation is None or not evaluation.matrix.pixels:
        return None
    intervals, units = _intervals(content, evaluation)
    file = f"eval/{content.split}{'' if content.evaluation else '-scenes'}.json#"
    names = [item.name for item in evaluation.classes]
    rows = [_row("network found", "found", evaluation.matrix, names, file, intervals)]
    rows += [
        _row(
            f"{item.name} ({item.detail})",
            "reference",
            item.matrix,
            names,
            f"{file}/references/{index}",
        )
        for index, item in enumerate(evaluation.references)
    ]
    rows += _baseline(content.members, names)
    return Verdict(evaluation, tuple(rows), units, _chart(rows), content.comparison)


def _row(
    name: str,
    group: str,
    matrix: ConfusionMatrix,
    names: Sequence[str],
    source: str,
    intervals: Intervals | None = None,
) -> VerdictRow:
    metrics = matrix.metrics()
    keys = [item.replace("~", "~0").replace("/", "~1") for item in names]
    own = intervals.iou if intervals else [None] * len(names)
    return VerdictRow(
        name,
        group,
        Figure(
            metrics.mean_iou,
            f"{source}/metrics/mean_iou",
            intervals.mean_iou if intervals else None,
        ),
        Figure(metrics.overall_accuracy, f"{source}/metrics/overall_accuracy"),
        tuple(
            Figure(value, f"{source}/metrics/classes/{key}/iou", interval)
            for key, value, interval in zip(keys, metrics.iou, own, strict=True)
        ),
    )


def _intervals(content: PageContent, evaluation: Evaluation) -> tuple[Intervals | None, str]:
    """Return the intervals over scenes; over tiles where there is one scene."""
    matrices = [scene.matrix for scene in evaluation.scenes]
    unit = "scenes"
    if not matrices and content.scores is not None:
        matrices = [scene.matrix for scene in by_scene(content.scores.tiles)]
        if len([matrix for matrix in matrices if matrix.pixels]) < 2:
            matrices, unit = [tile.matrix for tile in content.scores.tiles], "tiles"
    found = iou_intervals(matrices)
    return found, f"{found.units} {unit}" if found else ""


def _baseline(members: Sequence[Member], names: Sequence[str]) -> list[VerdictRow]:
    """Return a row for every other network of the baseline, best first; means over its seeds."""
    by_name: dict[str, list[int]] = {}
    for index, member in enumerate(members):
        by_name.setdefault(member.name, []).append(index)
    rows = []
    for name, indices in by_name.items():
        own = [members[index] for index in indices]
        wholes = [_whole(member) for member in own]
        metrics = [whole.metrics() for whole in wholes if whole.pixels]
        if not metrics or wholes[0].classes != len(names):
            continue
        source = f"baseline/results.json#/members/{indices[0]}/mean_iou" if len(own) == 1 else ""
        more = f" (mean of {len(own)} seeds)" if len(own) > 1 else ""
        classes = zip(*(item.iou for item in metrics), strict=True)
        rows.append(
            VerdictRow(
                f"{'network found again' if name == FOUND else name.replace('-', ' ')}{more}",
                "baseline",
                Figure(statistics.mean(member.mean_iou for member in own), source),
                Figure(statistics.mean(item.overall_accuracy for item in metrics)),
                tuple(Figure(_mean(values)) for values in classes),
            )
        )
    rows.sort(key=lambda row: -(row.mean_iou.value or 0.0))
    return rows[:_MOST_MEMBERS]


def _whole(member: Member) -> ConfusionMatrix:
    matrices = list(member.scenes.values())
    total = ConfusionMatrix(matrices[0].classes if matrices else 0)
    for matrix in matrices:
        total.merge(matrix)
    return total


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def _chart(rows: Sequence[VerdictRow]) -> Drawing:
    """Draw mean IoU from 0 to 1, with intervals as lines."""
    height = _ROW * len(rows) + 34
    drawing = Drawing(_WIDTH, height, "mIoU of the network and of what it is compared with")

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 20) * value

    for tick in range(0, 11, 2):
        drawing.add(
            Box((x(tick / 10) - 0.5, 8), (1, height - 30), "faint"),
            Text((x(tick / 10), height - 8), f"{tick / 10:g}", 10, "muted", "middle"),
        )
    for number, row in enumerate(rows):
        y, value = 18 + _ROW * number, row.mean_iou.value or 0.0
        colour = {"found": "second", "reference": "muted"}.get(row.group, "accent")
        name = row.name if len(row.name) < 35 else row.name[:33] + "…"
        drawing.add(Text((_LEFT - 10, y + 4), name, 10.5, anchor="end", bold=number == 0))
        if interval := row.mean_iou.interval:
            drawing.add(Line(((x(interval.low), y), (x(interval.high), y)), colour, 3, 0.5))
        drawing.add(Disc((x(value), y), 5, colour, "paper", title=f"{row.name}: {value:.4f}"))
    return drawing
