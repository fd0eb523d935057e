"""Intervals of scores by the bootstrap: how far chance in the test units could move them.

Pixels of a scene resemble each other, so that an interval from their number would be far too small;
scenes are what a map of another place is one more of.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import ConfusionMatrix

DRAWS = 1000


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
    """The intervals of a model's scores.

    Attributes:
        iou: Per class; None where no draw has the class in labels or predictions.
        units: Number of units that were drawn from.
    """

    mean_iou: Interval
    iou: tuple[Interval | None, ...]
    units: int


def iou_intervals(units: Iterable[ConfusionMatrix], seed: int = 0) -> Intervals | None:
    """Return the intervals of IoU when units are drawn again with replacement.

    Args:
        units: A confusion matrix per scene, or per tile where there is one scene.

    Returns:
        None for fewer than two units with labelled pixels.
    """
    counted = [unit for unit in units if unit.pixels]
    if len(counted) < 2:
        return None
    counts = np.stack([unit.counts for unit in counted]).astype(np.float64)  # (U, C, C)
    missed = np.stack([unit.unpredicted for unit in counted]).astype(np.float64)  # (U, C)
    right = np.diagonal(counts, axis1=1, axis2=2)  # (U, C)
    union = counts.sum(1) + counts.sum(2) + missed - right
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(counted), (DRAWS, len(counted)))
    times = np.stack([np.bincount(row, minlength=len(counted)) for row in drawn])  # (DRAWS, U)
    iou = np.full((DRAWS, right.shape[1]), np.nan)
    right, union = times @ right, times @ union
    np.divide(right, union, out=iou, where=union > 0)
    classes = [column[~np.isnan(column)] for column in iou.T]
    return Intervals(
        _middle(np.nanmean(iou, axis=1)),
        tuple(_middle(column) if column.size else None for column in classes),
        len(counted),
    )


def _middle(scores: npt.NDArray[np.float64]) -> Interval:
    low, high = np.percentile(scores, (2.5, 97.5))
    return Interval(float(low), float(high))
