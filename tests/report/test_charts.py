"""Charts: values where they belong, axes that fit, marks and the best value."""

import math
import re

from dnas_cli.report.chart import Mark, Series, line_chart
from dnas_cli.report.drawing import Disc, Line, Text, to_svg
from dnas_cli.report.training_curves import history_marks, training_charts
from dnas_cli.run.manifest import Extension
from dnas_cli.run.rows import EpochRow


def test_a_point_lies_where_its_value_is() -> None:
    chart = line_chart("t", [Series("a", ((1, 0.0), (3, 1.0)))])
    line = next(shape for shape in chart.shapes if isinstance(shape, Line) and shape.title == "a")
    ticks = {
        s.text: s.place[1] - 4 for s in chart.shapes if isinstance(s, Text) and s.anchor == "end"
    }
    assert line.points[0][1] == ticks["0"]
    assert line.points[1][1] == ticks["1"]
    assert line.points[0][0] < line.points[1][0]


def test_values_over_more_than_a_decade_and_a_half_get_a_logarithmic_axis() -> None:
    wide = line_chart("t", [Series("a", ((1, 1e-4), (2, 1.0)))])
    texts = [shape.text for shape in wide.shapes if isinstance(shape, Text)]
    assert {"0.0001", "0.001", "0.01", "0.1", "1"} <= set(texts)
    narrow = line_chart("t", [Series("a", ((1, 0.5), (2, 1.0)))])
    assert "0.1" not in [shape.text for shape in narrow.shapes if isinstance(shape, Text)]


def test_the_best_value_is_marked() -> None:
    chart = line_chart("t", [Series("a", ((1, 0.1), (2, 0.9), (3, 0.4)), "highest")])
    line = next(shape for shape in chart.shapes if isinstance(shape, Line) and shape.title == "a")
    best = next(shape for shape in chart.shapes if isinstance(shape, Disc) and shape.title)
    assert best.centre == line.points[1]


def test_a_chart_of_nothing_says_so() -> None:
    assert "no values" in to_svg(line_chart("t", [Series("a", ())]))


def test_values_that_are_not_finite_are_no_points() -> None:
    finite = line_chart("t", [Series("a", ((1, 0.1), (3, 0.4)), "highest")])
    course = ((1, 0.1), (2, math.nan), (3, 0.4), (4, math.inf))
    assert line_chart("t", [Series("a", course, "highest")]) == finite
    assert "no values" in to_svg(line_chart("t", [Series("a", ((1, -math.inf),))]))


def test_extensions_and_a_lower_rate_are_marked_where_they_happened() -> None:
    rows: list[EpochRow] = [{"epoch": epoch, "loss": 1.0} for epoch in range(5)]
    rows[3]["rate_factor"] = 0.1
    rows[4]["rate_factor"] = 0.1
    marks = history_marks(rows, [Extension(3)], 2)
    assert marks == [Mark(3, "backed off"), Mark(2, "extended")]
    both = to_svg(training_charts(rows, [*marks, Mark(2, "resumed")])[0])
    assert "extended, resumed</text>" in both  # beside one line
    svg = to_svg(training_charts(rows, marks)[0])
    assert len(re.findall("extended", svg)) == 2  # beside the line, and when pointed at
