"""Intervals by the bootstrap."""

import json

import numpy as np
import pytest

from dnas_cli.bootstrap import Interval, Intervals, score_intervals
from dnas_cli.metrics import ConfusionMatrix


def _unit(right: int, wrong: int) -> ConfusionMatrix:
    matrix = ConfusionMatrix(3)  # the last class occurs nowhere
    matrix.counts[:2, :2] += np.array([[right, wrong], [wrong, right]])
    return matrix


def test_units_that_agree_leave_no_doubt() -> None:
    intervals = score_intervals([_unit(3, 1)] * 5)
    assert intervals is not None
    sure = Interval(3 / 5, 3 / 5)  # right / (right + wrong + wrong)
    assert intervals.mean_iou == sure
    assert intervals.iou == (sure, sure, None)
    assert intervals.overall_accuracy == Interval(3 / 4, 3 / 4)


def test_the_interval_spans_units_that_differ_and_repeats() -> None:
    units = [_unit(9, 1), _unit(5, 5), _unit(7, 3), _unit(8, 2)]
    intervals = score_intervals(units)
    assert intervals is not None
    whole = ConfusionMatrix(3)
    for unit in units:
        whole.merge(unit)
    metrics = whole.metrics()
    assert intervals.mean_iou.low < metrics.mean_iou < intervals.mean_iou.high
    assert intervals.iou[0] is not None
    assert metrics.iou[0] is not None
    assert intervals.iou[0].low < metrics.iou[0] < intervals.iou[0].high
    assert intervals.overall_accuracy.low < metrics.overall_accuracy
    assert intervals == score_intervals(units)
    assert intervals == Intervals.from_json(json.loads(json.dumps(intervals.to_json("abc"))))


def test_trainings_of_a_network_are_drawn_together() -> None:
    """Where one is right in a unit, the other is not: their mean is the same in every draw."""
    units = [_unit(9, 1), _unit(5, 5), _unit(7, 3)]
    others = [_unit(10 - unit.counts[0, 0], unit.counts[0, 0]) for unit in units]
    intervals = score_intervals(units, others)
    assert intervals is not None
    assert intervals.overall_accuracy.low == pytest.approx(0.5)
    assert intervals.overall_accuracy.high == pytest.approx(0.5)
    assert score_intervals(units, units) == score_intervals(units)


def test_one_unit_has_no_interval() -> None:
    assert score_intervals([_unit(1, 1), ConfusionMatrix(3)]) is None
