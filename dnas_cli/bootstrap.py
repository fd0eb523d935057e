"""Intervals of scores by the bootstrap: how far chance in the test units could move them.

Pixels of a scene resemble each other, so that an interval from their number would be far too small;
scenes are what a map of another place is one more of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import ConfusionMatrix

DRAWS = 1000

Draws = npt.NDArray[np.float64]  # (DRAWS, ...)


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of a score over resampled units.

    Attributes:
        low: 2.5th percentile.
        high: 97.5th percentile.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The intervals of a network's scores.

    Attributes:
        iou: Per class; None where no draw has the class in labels or predictions.
        units: Number of units that were drawn from.
    """

    mean_iou: Interval
    overall_accuracy: Interval
    iou: tuple[Interval | None, ...]
    units: int

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Return the intervals as plain data: low and high end, those of classes by name."""
        iou = [None if own is None else [own.low, own.high] for own in self.iou]
        return {
            "units": self.units,
            "mean_iou": [self.mean_iou.low, self.mean_iou.high],
            "overall_accuracy": [self.overall_accuracy.low, self.overall_accuracy.high],
            "classes": {name: {"iou": own} for name, own in zip(class_names, iou, strict=True)},
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Intervals":
        """Build intervals from plain data; ValueError, KeyError or TypeError if it is none."""
        iou = [item["iou"] for item in value["classes"].values()]
        return Intervals(
            Interval(*map(float, value["mean_iou"])),
            Interval(*map(float, value["overall_accuracy"])),
            tuple(None if own is None else Interval(*map(float, own)) for own in iou),
            int(value["units"]),
        )


def score_intervals(*trainings: Sequence[ConfusionMatrix], seed: int = 0) -> Intervals | None:
    """Return the intervals of scores when units are drawn again with replacement.

    Args:
        trainings: A confusion matrix per scene, or per tile where there is one scene. Several
            trainings of a network, on the same units in the same order, are drawn together; their
            mean is the score of a draw.

    Returns:
        None for fewer than two units with labelled pixels.
    """
    counted = [[unit for unit in units if unit.pixels] for units in trainings]
    number = len(counted[0])
    if number < 2:
        return None
    times = drawn_times(number, seed)
    means, accuracies, classes = zip(*(_scores(units, times) for units in counted), strict=True)
    iou = np.stack(classes)  # (trainings, DRAWS, classes)
    known = ~np.isnan(iou)
    of_classes = np.full(iou.shape[1:], np.nan)
    np.divide(np.nansum(iou, axis=0), known.sum(0), out=of_classes, where=known.any(0))
    columns = [column[~np.isnan(column)] for column in of_classes.T]
    return Intervals(
        _middle(np.mean(means, axis=0)),
        _middle(np.mean(accuracies, axis=0)),
        tuple(_middle(column) if column.size else None for column in columns),
        number,
    )


def drawn_times(number: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw so many units again with replacement.

    Returns:
        (DRAWS, number), how often each draw has each unit.
    """
    drawn = np.random.default_rng(seed).integers(0, number, (DRAWS, number))
    return np.stack([np.bincount(row, minlength=number) for row in drawn])


def mean_ious(units: Sequence[ConfusionMatrix], times: npt.NDArray[np.int64]) -> Draws:
    """Return the mean IoU of every draw of units; 0 for one without a labelled pixel."""
    return _scores(units, times)[0]


def _scores(
    units: Sequence[ConfusionMatrix], times: npt.NDArray[np.int64]
) -> tuple[Draws, Draws, Draws]:
    """Return mean IoU, overall accuracy and the classes' IoU of every draw."""
    counts = np.stack([unit.counts for unit in units]).astype(np.float64)  # (U, C, C)
    missed = np.stack([unit.unpredicted for unit in units]).astype(np.float64)  # (U, C)
    right = np.diagonal(counts, axis1=1, axis2=2)  # (U, C)
    labelled = counts.sum(2) + missed
    union = times @ (counts.sum(1) + labelled - right)
    right = times @ right
    iou = np.full(right.shape, np.nan)
    np.divide(right, union, out=iou, where=union > 0)
    classes, pixels = (~np.isnan(iou)).sum(1), (times @ labelled).sum(1)
    return (
        np.nansum(iou, axis=1) / np.maximum(classes, 1),
        right.sum(1) / np.maximum(pixels, 1),
        iou,
    )


def _middle(scores: Draws) -> Interval:
    low, high = np.percentile(scores, (2.5, 97.5))
    return Interval(float(low), float(high))
