"""The verdict of a page: the network beside everything it is compared with."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dnas_cli.bootstrap import Interval, Intervals, score_intervals
from dnas_cli.evaluation.baseline_figures import FOUND, RANDOM, Comparison, Member
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.evaluation.tile_scores import by_scene
from dnas_cli.metrics import ConfusionMatrix, merged
from dnas_cli.report.drawing import Box, Disc, Drawing, Line, Text
from dnas_cli.report.page_content import PageContent
from dnas_cli.scenes.palette import LandClass

_MOST_RANDOM = 10  # architectures that have a row
_MOST_COLUMNS = 10  # of classes; the table of more has a row per class
_WIDTH, _ROW, _LEFT = 580.0, 22.0, 236.0


@dataclass(frozen=True)
class Figure:
    """A number of the page.

    Attributes:
        value: None where it is undefined.
        source: The file of the run it is from, and its place there; empty where it is computed.
        interval: 95 % of resamplings.
        scale: What the value in the file is divided by.
    """

    value: float | None
    source: str = ""
    interval: Interval | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class VerdictRow:
    """A network or a reference.

    Attributes:
        name: What it is.
        group: `found`, `reference` or `baseline`.
        mean_iou: Mean IoU.
        accuracy: Overall accuracy.
        iou: Per class.
        cost: Millions of weights, and billions of multiply-accumulates per tile.
    """

    name: str
    group: str
    mean_iou: Figure
    accuracy: Figure
    iou: tuple[Figure, ...]
    cost: tuple[Figure, Figure] = (Figure(None), Figure(None))


@dataclass(frozen=True)
class Verdict:
    """How good a network is.

    Attributes:
        evaluation: Of the network.
        rows: The network first.
        more: Random architectures that have no row.
        units: What intervals are drawn from, such as `9 scenes`; empty without intervals.
        chart: The rows as points and lines.
        comparison: With random architectures.
    """

    evaluation: Evaluation
    rows: tuple[VerdictRow, ...]
    more: int
    units: str
    chart: Drawing
    comparison: Comparison | None

    @property
    def columns(self) -> tuple[LandClass, ...]:
        """The classes that are columns of the table; none of many."""
        classes = self.evaluation.classes
        return classes if len(classes) <= _MOST_COLUMNS else ()


def verdict(content: PageContent) -> Verdict | None:
    """Return the verdict; None where nothing is evaluated."""
    evaluation = content.evaluation or content.of_scenes
    if evaluation is None or not evaluation.matrix.pixels:
        return None
    intervals, units = _intervals(content, evaluation)
    file = f"eval/{content.split}{'' if content.evaluation else '-scenes'}.json#"
    names = [item.name for item in evaluation.classes]
    rows = [_row("network found", "found", evaluation.matrix, names, file, intervals)]
    if cost := evaluation.cost or content.cost:
        of = f"{file}/cost/network" if evaluation.cost else ""
        counts = (cost.network.parameters, cost.network.multiply_accumulates)
        rows[0] = replace(rows[0], cost=_cost(*counts, of))
    rows += [
        _row(
            f"{item.name} ({item.detail})",
            "reference",
            item.matrix,
            names,
            f"{file}/references/{index}",
            item.intervals,
        )
        for index, item in enumerate(evaluation.references)
    ]
    others, more = _baseline(content.members, names)
    rows += others
    return Verdict(evaluation, tuple(rows), more, units, _chart(rows), content.comparison)


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
        Figure(
            metrics.overall_accuracy,
            f"{source}/metrics/overall_accuracy",
            intervals.overall_accuracy if intervals else None,
        ),
        tuple(
            Figure(value, f"{source}/metrics/classes/{key}/iou", interval)
            for key, value, interval in zip(keys, metrics.iou, own, strict=True)
        ),
    )


def _cost(parameters: float, multiply_accumulates: float, source: str) -> tuple[Figure, Figure]:
    def figure(value: float, name: str, scale: float) -> Figure:
        return Figure(value / scale, source and f"{source}/{name}", None, scale)

    return (
        figure(parameters, "parameters", 1e6),
        figure(multiply_accumulates, "multiply_accumulates", 1e9),
    )


def _intervals(content: PageContent, evaluation: Evaluation) -> tuple[Intervals | None, str]:
    """Return the intervals over scenes; over tiles where there is one scene."""
    matrices = [scene.matrix for scene in evaluation.scenes]
    unit = "scenes"
    if not matrices and content.scores is not None:
        matrices = [scene.matrix for scene in by_scene(content.scores.tiles)]
        if len([matrix for matrix in matrices if matrix.pixels]) < 2:
            matrices, unit = [tile.matrix for tile in content.scores.tiles], "tiles"
    found = score_intervals(matrices)
    return found, f"{found.units} {unit}" if found else ""


def _baseline(members: Sequence[Member], names: Sequence[str]) -> tuple[list[VerdictRow], int]:
    """Return a row for every other network of the baseline, best first, and how many have none.

    Scores are means over seeds. Random architectures come last, and only the best of many are
    listed.
    """
    by_name: dict[str, list[int]] = {}
    for index, member in enumerate(members):
        by_name.setdefault(member.name, []).append(index)
    named, random = list[VerdictRow](), list[VerdictRow]()
    for name, indices in by_name.items():
        row = _member(name, [members[index] for index in indices], names, indices[0])
        if row is not None:
            (random if name.startswith(RANDOM) else named).append(row)
    named.sort(key=lambda row: -(row.mean_iou.value or 0.0))
    random.sort(key=lambda row: -(row.mean_iou.value or 0.0))
    return [*named, *random[:_MOST_RANDOM]], max(0, len(random) - _MOST_RANDOM)


def _member(
    name: str, seeds: Sequence[Member], names: Sequence[str], index: int
) -> VerdictRow | None:
    """Return the row of a network; None where it was scored on other classes, or on nothing."""
    units = [[seed.scenes[key] for key in sorted(seed.scenes)] for seed in seeds]
    wholes = [merged(own) for own in units if own]
    if any(whole.classes != len(names) or not whole.pixels for whole in wholes) or not wholes:
        return None
    metrics = [whole.metrics() for whole in wholes]
    alike = all(sorted(seed.scenes) == sorted(seeds[0].scenes) for seed in seeds)
    intervals = score_intervals(*units) if alike else None
    of_classes = intervals.iou if intervals else [None] * len(names)
    classes = zip(*(item.iou for item in metrics), strict=True)
    source = f"baseline/results.json#/members/{index}"
    shown = "network found again" if name == FOUND else name.replace("-", " ")
    return VerdictRow(
        f"{shown} (mean of {len(seeds)} seeds)" if len(seeds) > 1 else shown,
        "baseline",
        Figure(
            statistics.mean(item.mean_iou for item in metrics),
            f"{source}/mean_iou" if len(seeds) == 1 else "",
            intervals.mean_iou if intervals else None,
        ),
        Figure(
            statistics.mean(item.overall_accuracy for item in metrics),
            "",
            intervals.overall_accuracy if intervals else None,
        ),
        tuple(
            Figure(_mean(values), "", interval)
            for values, interval in zip(classes, of_classes, strict=True)
        ),
        _cost(seeds[0].parameters, seeds[0].multiply_accumulates, source),
    )


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
        name = row.name if len(row.name) < 40 else row.name[:38] + "…"
        drawing.add(Text((_LEFT - 10, y + 4), name, 10.5, anchor="end", bold=number == 0))
        if interval := row.mean_iou.interval:
            drawing.add(Line(((x(interval.low), y), (x(interval.high), y)), colour, 3, 0.5))
        drawing.add(Disc((x(value), y), 5, colour, "paper", title=f"{row.name}: {value:.4f}"))
    return drawing
