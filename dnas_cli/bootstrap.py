"""Intervals of a score by the bootstrap: how far chance in the test units could move it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def mean_iou_interval(units: Sequence[ConfusionMatrix], seed: int = 0) -> Interval | None:
    """Return the interval of the mean IoU when units are drawn again with replacement.

    Args:
        units: A confusion matrix per scene, or per tile where there is one scene.
        seed: Of the draws.

    Returns:
        None for fewer than two units with labelled pixels.
    """
    counted = [unit for unit in units if unit.pixels]
    if len(counted) < 2:
        return None
    counts = np.stack([unit.counts for unit in counted]).astype(np.float64)  # (U, C, C)
    missed = np.stack([unit.unpredicted for unit in counted]).astype(np.float64)  # (U, C)
    generator = np.random.default_rng(seed)
    scores = []
    for _ in range(DRAWS):
        times = np.bincount(
            generator.integers(0, len(counted), len(counted)), minlength=len(counted)
        )
        total, lost = np.tensordot(times, counts, 1), times @ missed
        right = np.diagonal(total)
        union = total.sum(0) + total.sum(1) + lost - right
        scores.append(float((right[union > 0] / union[union > 0]).mean()))
    low, high = np.percentile(scores, (2.5, 97.5))
    return Interval(float(low), float(high))
