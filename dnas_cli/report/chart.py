"""Line charts of values over epochs, on linear or logarithmic axes as fits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dnas_cli.report.drawing import Box, Disc, Drawing, Line, Text

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 14.0, 30.0, 34.0
_COLOURS = ("accent", "second", "third", "fourth")
_DASHES: tuple[tuple[float, ...], ...] = ((), (6.0, 3.0), (2.0, 3.0), (8.0, 3.0, 2.0, 3.0))
_LOGARITHMIC = 30.0  # ratio of the largest to the smallest value from which on the axis is so


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: In the legend; a line without one is thin and grey, behind the others.
        points: Epoch, counted from 1, and value.
        best: Mark the `highest` or `lowest` value; none if empty.
        shows_last: Write the last value into the legend.
    """

    name: str
    points: tuple[tuple[int, float], ...]
    best: str = ""
    shows_last: bool = True


@dataclass(frozen=True)
class Mark:
    """Something that happened after an epoch: resumed, extended, backed off."""

    epoch: int
    text: str


def line_chart(
    title: str,
    series: Sequence[Series],
    marks: Sequence[Mark] = (),
    axis: str = "epoch",
    width: float = 364.0,
    height: float = 210.0,
) -> Drawing:
    """Draw values over epochs; values that are not finite, and series without one, are left out.

    Lines differ in colour and dashes.
    """
    drawing = Drawing(width, height, title)
    drawing.add(Text((_LEFT, 16), title, 12, bold=True))
    shown = [item for item in map(_finite, series) if item.points]
    if not shown:
        drawing.add(Text((width / 2, height / 2), "no values", 11, "muted", "middle"))
        return drawing
    values = [value for item in shown for _, value in item.points]
    first = min(item.points[0][0] for item in shown)
    last = max(max(item.points[-1][0] for item in shown), first + 1)
    scale = _Axis.around(values)

    def x(epoch: float) -> float:
        return _LEFT + (width - _LEFT - _RIGHT) * (epoch - first) / (last - first)

    def y(value: float) -> float:
        return _TOP + 14 + (height - _TOP - 14 - _BOTTOM) * (1 - scale.share(value))

    for tick in scale.ticks:
        drawing.add(
            Box((_LEFT, y(tick) - 0.5), (width - _LEFT - _RIGHT, 1), "faint"),
            Text((_LEFT - 6, y(tick) + 4), f"{tick:.{scale.digits}g}", 10, "muted", "end"),
        )
    for epoch in _epoch_ticks(first, last):
        drawing.add(Text((x(epoch), height - _BOTTOM + 15), str(epoch), 10, "muted", "middle"))
    drawing.add(Text((width - _RIGHT, height - 4), axis, 10, "muted", "end"))
    for at in sorted({mark.epoch for mark in marks}):
        place, text = x(min(max(at + 0.5, first), last)), _happened(marks, at)
        line = ((place, _TOP + 14), (place, height - _BOTTOM))
        drawing.add(
            Line(line, "muted", 1, 0.7, (2, 2), title=text),
            Text((place - 3, height - _BOTTOM - 4), text, 9, "muted", turned=True),
        )
    for item in shown:
        if not item.name:
            points = tuple((x(epoch), y(value)) for epoch, value in item.points)
            drawing.add(Line(points, "muted", 0.7, 0.5))
    legend = _LEFT
    for number, item in enumerate(item for item in shown if item.name):
        colour, dash = _COLOURS[number % 4], _DASHES[number % 4]
        course = tuple((x(epoch), y(value)) for epoch, value in item.points)
        if len(course) > 1:
            drawing.add(Line(course, colour, 1.8, dash=dash, title=item.name))
        drawing.add(Disc(course[-1], 2.5, colour, colour))
        if item.best:
            choose = max if item.best == "highest" else min
            epoch, value = choose(item.points, key=lambda point: point[1])
            drawing.add(Disc((x(epoch), y(value)), 4.5, "paper", colour, 1.5, title="best"))
        last_value = f" {item.points[-1][1]:.4g}" if item.shows_last else ""
        name = item.name + last_value
        drawing.add(
            Line(((legend, _TOP), (legend + 18, _TOP)), colour, 1.8, dash=dash),
            Text((legend + 23, _TOP + 4), name, 10),
        )
        legend += 36 + 6.2 * len(name)
    return drawing


def _finite(series: Series) -> Series:
    points = tuple(point for point in series.points if math.isfinite(point[1]))
    return replace(series, points=points)


def _happened(marks: Sequence[Mark], epoch: int) -> str:
    return ", ".join(dict.fromkeys(mark.text for mark in marks if mark.epoch == epoch))


def stack(drawings: Sequence[Drawing], columns: int, title: str) -> Drawing:
    """Return drawings of equal size as one, row by row, below a title if there is one."""
    width, height = drawings[0].width, drawings[0].height
    rows = math.ceil(len(drawings) / columns)
    top = 26 if title else 0
    whole = Drawing(columns * width, rows * height + top, title)
    if title:
        whole.add(Text((12, 18), title, 13, bold=True))
    for number, drawing in enumerate(drawings):
        row, column = divmod(number, columns)
        whole.add(*(_moved(shape, column * width, row * height + top) for shape in drawing.shapes))
    return whole


def _moved(shape: Line | Disc | Box | Text, dx: float, dy: float) -> Line | Disc | Box | Text:
    if isinstance(shape, Line):
        return replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points))
    if isinstance(shape, Disc):
        return replace(shape, centre=(shape.centre[0] + dx, shape.centre[1] + dy))
    if isinstance(shape, Box):
        return replace(shape, corner=(shape.corner[0] + dx, shape.corner[1] + dy))
    return replace(shape, place=(shape.place[0] + dx, shape.place[1] + dy))


@dataclass(frozen=True)
class _Axis:
    """The vertical axis: its ends, its ticks, and whether it is logarithmic."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool

    @staticmethod
    def around(values: Sequence[float]) -> "_Axis":
        """Return an axis that holds all values."""
        low, high = min(values), max(values)
        if low > 0 and high / low > _LOGARITHMIC:
            begin, end = math.floor(math.log10(low)), math.ceil(math.log10(high))
            ticks = tuple(10.0**power for power in range(begin, end + 1))
            return _Axis(float(begin), float(max(end, begin + 1)), ticks, True)
        step = _round_step((high - low or abs(high) or 1.0) / 4)
        begin, end = math.floor(low / step), math.ceil(high / step)
        end = max(end, begin + 1)
        ticks = tuple(round(step * number, 12) for number in range(begin, end + 1))
        return _Axis(begin * step, end * step, ticks, False)

    @property
    def digits(self) -> int:
        """Significant digits in which neighbouring ticks differ, four at least."""
        if self.logarithmic:
            return 4
        largest, step = max(abs(self.low), abs(self.high)), self.ticks[1] - self.ticks[0]
        return max(4, math.ceil(math.log10(largest / step)) + 1)

    def share(self, value: float) -> float:
        """Return where a value is, from 0 at the low end to 1 at the high one."""
        place = math.log10(value) if self.logarithmic else value
        return (place - self.low) / (self.high - self.low)


def _round_step(step: float) -> float:
    """Return the nearest 1, 2 or 5 times a power of ten that is not below: 0.31 gives 0.5."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def _epoch_ticks(first: int, last: int) -> list[int]:
    step = max(1, round(_round_step((last - first) / 6)))
    inner = [epoch for epoch in range(first, last + 1) if epoch % step == 0]
    return inner if len(inner) > 1 else [first, last]
