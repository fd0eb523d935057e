"""Which values of a raster mean "no data"."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGEST = 1.8e19  # its square is the largest that float32 holds


def beyond_plausible(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which numbers no sensor measures: undeclared fill values of floats."""
    if values.dtype.kind != "f":
        return np.zeros(values.shape, np.bool_)
    return np.asarray(np.isfinite(values) & (np.abs(values) > _LARGEST))


def can_hold(dtype: str, value: float) -> bool:
    """Return whether a value can occur in a raster of a type."""
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        return not math.isfinite(value) or abs(value) <= float(np.finfo(kind).max) * (1 + 1e-7)
    limits = np.iinfo(kind)
    return math.isfinite(value) and value == int(value) and limits.min <= value <= limits.max


def holds_nodata(values: npt.NDArray[Any], nodata: Sequence[float | None]) -> npt.NDArray[np.bool_]:
    """Return where bands (B, h, w) hold their nodata value: (h, w).

    Zero and the largest value of a type also occur in dark and saturated pixels, so all bands must
    hold them (as in GDAL's dataset mask). Any other value, such as -9999, can only mean "no data":
    one band is enough.
    """
    holds_any = np.zeros(values.shape[1:], np.bool_)
    holds_all: npt.NDArray[np.bool_] | None = None
    largest = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else None
    for band, value in zip(values, nodata, strict=True):
        if value is None or math.isnan(value):
            if holds_all is not None or value is None:
                holds_all = np.zeros_like(holds_any)
            continue
        # A nodata such as -3.4028226550889045e+38 equals the stored float32 only as a float32.
        with np.errstate(over="ignore"):
            same = band == (np.array(value, values.dtype) if values.dtype.kind == "f" else value)
        if value in (0, largest):
            holds_all = same if holds_all is None else holds_all & same
        else:
            holds_any |= same
    return holds_any if holds_all is None else holds_any | holds_all


def are_measurements(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where all bands (B, h, w) hold numbers that a sensor can measure: (h, w).

    NaN and infinity are none, nor are numbers whose square float32 cannot hold. Such are -3.4e38,
    9.97e36 and 1e20, by which files mark missing data that they do not declare; one of them among
    a million pixels would make mean and deviation of the band meaningless.
    """
    if values.dtype.kind != "f":
        return np.ones(values.shape[1:], np.bool_)
    return np.asarray((np.abs(values) <= _LARGEST).all(axis=0))
