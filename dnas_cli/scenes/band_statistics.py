"""Statistics of bands over many tiles, which add up in any order.

Integers of 8 and 16 bits are counted value by value, so everything is exact. Other numbers are
counted in 65,536 bins by the leading 16 bits of their float32 form: about 0.8 % wide anywhere on
the number line, for any range. Their mean and deviation are exact.
"""

import math
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from dnas_cli.scenes.normalisation import Moments

_BINS = 1 << 16
PERCENTILES = (1, 50, 99)
_OUTWEIGHED = 5.0  # deviations of a band in spans of its percentiles 1 to 99; a normal one has 0.2
_NORMAL_SPAN = 4.653  # deviations of a normal distribution between these percentiles


class BandSummary(TypedDict):
    """The values of a band with data; percentiles by their number, as `dataset.json` has them."""

    count: int
    min: float
    max: float
    mean: float
    std: float
    percentiles: dict[str, float]


@dataclass
class BandStatistics:
    """Statistics of the valid pixels of every band.

    Attributes:
        dtype: NumPy name of the values.
        counts: (B, 65536) pixels per bin.
        low: (B,) smallest value; infinity before the first.
        high: (B,) largest value.
        mean: (B,) mean of float values.
        spread: (B,) sum of squared distances from the mean, of float values.
    """

    dtype: str
    counts: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64] = field(repr=False)
    high: npt.NDArray[np.float64] = field(repr=False)
    mean: npt.NDArray[np.float64] = field(repr=False)
    spread: npt.NDArray[np.float64] = field(repr=False)

    @staticmethod
    def empty(bands: int, dtype: str) -> "BandStatistics":
        """Return the statistics of no pixels."""
        bins = 256 if np.dtype(dtype).itemsize == 1 else _BINS
        return BandStatistics(
            dtype,
            np.zeros((bands, bins), np.int64),
            np.full(bands, math.inf),
            np.full(bands, -math.inf),
            np.zeros(bands),
            np.zeros(bands),
        )

    def add(self, image: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> None:
        """Count the valid pixels (H, W) of an image (B, H, W)."""
        everything = bool(valid.all())
        for index, band in enumerate(image):
            values = band.ravel() if everything else band[valid]
            if values.size == 0:
                continue
            self.counts[index] += np.bincount(self._bin(values), minlength=self.counts.shape[1])
            if not self._exact:
                self._add_moments(index, values.astype(np.float64))

    def merge(self, other: "BandStatistics") -> None:
        """Add another count."""
        if not self._exact:
            for index in range(len(self.counts)):
                count = int(other.counts[index].sum())
                self._merge_moments(index, count, other.mean[index], other.spread[index])
                self.low[index] = min(self.low[index], other.low[index])
                self.high[index] = max(self.high[index], other.high[index])
        self.counts += other.counts

    def summary(self, bands: tuple[str, ...]) -> dict[str, BandSummary]:
        """Return count, min, max, mean, std and percentiles per band name, as plain data.

        A band without any valid pixel has zeros.
        """
        return {band: self._summary(index) for index, band in enumerate(bands)}

    def moments(self) -> Moments:
        """Return mean and standard deviation per band; zeros without any valid pixel.

        Of a band whose outliers outweigh its percentiles, those of the percentiles.
        """
        bands = [robust_moments(self._summary(index)) for index in range(len(self.counts))]
        return Moments(tuple(mean for mean, _ in bands), tuple(std for _, std in bands))

    def _summary(self, index: int) -> BandSummary:
        counts = self.counts[index]
        count = int(counts.sum())
        if count == 0:
            zeros = {str(percentile): 0.0 for percentile in PERCENTILES}
            return {
                "count": 0, "min": 0.0, "max": 0.0, "mean": 0.0, "std": 0.0, "percentiles": zeros,
            }  # fmt: skip
        if self._exact:
            low, high, mean, variance = self._exact_moments(counts, count)
        else:
            low, high = float(self.low[index]), float(self.high[index])
            mean, variance = float(self.mean[index]), float(self.spread[index]) / count
        percentiles = {
            str(percentile): min(max(self._percentile(counts, count, percentile), low), high)
            for percentile in PERCENTILES
        }
        return {
            "count": count,
            "min": low,
            "max": high,
            "mean": mean,
            "std": math.sqrt(max(variance, 0.0)),
            "percentiles": percentiles,
        }

    def _exact_moments(
        self, counts: npt.NDArray[np.int64], count: int
    ) -> tuple[float, float, float, float]:
        used = np.flatnonzero(counts)
        values = [int(value) for value in self._values(used)]
        weights = [int(weight) for weight in counts[used]]
        # Python's whole numbers neither overflow nor round, whatever the number of pixels.
        total = sum(value * weight for value, weight in zip(values, weights, strict=True))
        squares = sum(value * value * weight for value, weight in zip(values, weights, strict=True))
        variance = (squares * count - total * total) / (count * count)
        return float(values[0]), float(values[-1]), total / count, variance

    def _percentile(self, counts: npt.NDArray[np.int64], count: int, percentile: int) -> float:
        # The smallest value that at least this percentage of the pixels does not exceed.
        rank = max(1, -(-count * percentile // 100))
        position = int(np.searchsorted(np.cumsum(counts), rank))
        return float(self._values(np.array([position]))[0])

    def _add_moments(self, index: int, values: npt.NDArray[np.float64]) -> None:
        mean = float(values.mean())
        spread = float(np.square(values - mean).sum())
        before = int(self.counts[index].sum()) - values.size
        self._merge_moments(index, values.size, mean, spread, before)
        self.low[index] = min(self.low[index], float(values.min()))
        self.high[index] = max(self.high[index], float(values.max()))

    def _merge_moments(
        self, index: int, count: int, mean: float, spread: float, before: int | None = None
    ) -> None:
        # Chan, Golub and LeVeque (1979): joins two sums of squares without cancellation.
        own = int(self.counts[index].sum()) if before is None else before
        if count == 0:
            return
        distance = mean - float(self.mean[index])
        total = own + count
        self.mean[index] += distance * count / total
        self.spread[index] += spread + distance * distance * own * count / total

    @property
    def _exact(self) -> bool:
        kind = np.dtype(self.dtype)
        return kind.kind in "iub" and kind.itemsize <= 2

    @property
    def _shift(self) -> int:
        # Signed integers are counted from their smallest value.
        return -int(np.iinfo(self.dtype).min) if np.dtype(self.dtype).kind == "i" else 0

    def _bin(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._exact:
            return values.astype(np.intp) + self._shift if self._shift else values
        with np.errstate(over="ignore"):
            bits = values.astype(np.float32).view(np.uint32)
        # Negative floats sort backwards by their bits: flip them; lift the positive above them.
        ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
        return (ordered >> 16).astype(np.intp)

    def _values(self, bins: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        if self._exact:
            return bins - self._shift
        middle = (bins.astype(np.uint32) << 16) | np.uint32(1 << 15)
        bits = np.where(middle >> 31, middle & np.uint32((1 << 31) - 1), ~middle)
        values = bits.astype(np.uint32).view(np.float32).astype(np.float64)
        # The bin of zero includes the smallest numbers.
        return np.where(np.abs(values) < np.finfo(np.float32).tiny, 0.0, values)


def is_outweighed(summary: BandSummary) -> bool:
    """Return whether outliers dominate the deviation of a band."""
    low, high = (float(summary["percentiles"][key]) for key in ("1", "99"))
    return high > low and float(summary["std"]) > _OUTWEIGHED * (high - low)


def robust_moments(summary: BandSummary) -> tuple[float, float]:
    """Return mean and deviation of a band; those of its percentiles if outliers outweigh them.

    Four pixels of 1e15 among a million make a deviation that hides all others.
    """
    if not is_outweighed(summary):
        return float(summary["mean"]), float(summary["std"])
    low, middle, high = (float(summary["percentiles"][key]) for key in ("1", "50", "99"))
    return middle, (high - low) / _NORMAL_SPAN
