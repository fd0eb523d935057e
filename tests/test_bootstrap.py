"""Intervals by the bootstrap."""

import numpy as np

from dnas_cli.bootstrap import mean_iou_interval
from dnas_cli.metrics import ConfusionMatrix


def _unit(right: int, wrong: int) -> ConfusionMatrix:
    matrix = ConfusionMatrix(2)
    matrix.counts += np.array([[right, wrong], [wrong, right]])
    return matrix


def test_units_that_agree_leave_no_doubt() -> None:
    interval = mean_iou_interval([_unit(3, 1)] * 5)
    assert interval is not None
    assert interval.low == interval.high == 3 / 5  # right / (right + wrong + wrong)


def test_the_interval_spans_units_that_differ_and_repeats() -> None:
    units = [_unit(9, 1), _unit(5, 5), _unit(7, 3), _unit(8, 2)]
    interval = mean_iou_interval(units)
    assert interval is not None
    whole = ConfusionMatrix(2)
    for unit in units:
        whole.merge(unit)
    assert interval.low < whole.metrics().mean_iou < interval.high
    assert interval == mean_iou_interval(units)


def test_one_unit_has_no_interval() -> None:
    assert mean_iou_interval([_unit(1, 1), ConfusionMatrix(2)]) is None
