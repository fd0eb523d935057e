"""Pixels to read by window, whether a file or an array holds them."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import UsageError
from dnas_cli.scenes.raster import Window
from dnas_cli.scenes.validity import holds_nodata


class Pixels(Protocol):
    """What mapping needs of a scene; an open `Raster` is one."""

    path: str
    height: int
    width: int
    bands: tuple[str, ...]
    dtype: str

    def read_with_validity(self, window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Read values (B, h, w), and which pixels hold data (h, w)."""


class ArrayPixels:
    """An array as a scene.

    Args:
        array: (B, H, W) numbers, as a file would store them, in the order of `bands`.
        valid: (H, W) true where a pixel holds data. When missing: everywhere but where a value
            is not finite or bands hold `nodata`.
        nodata: Value that means "no data" where `valid` is missing.

    Raises:
        UsageError: The shapes do not fit, or it holds something else than real numbers.
    """

    def __init__(
        self,
        array: npt.ArrayLike,
        bands: tuple[str, ...],
        valid: npt.ArrayLike | None = None,
        nodata: float | None = None,
    ) -> None:
        values = np.asarray(array)
        if values.ndim != 3 or len(values) != len(bands) or not values.size:
            raise UsageError(
                f"array: has the shape {values.shape}; the model needs ({len(bands)}, height, "
                f"width) with the bands {', '.join(bands)}."
            )
        if values.dtype.kind not in "uif":
            raise UsageError(f"array: holds {values.dtype}; networks read real numbers.")
        if valid is None:
            mask = ~holds_nodata(values, [nodata] * len(bands))
            mask &= np.isfinite(values).all(axis=0)
        else:
            mask = np.asarray(valid)
            if mask.dtype != bool or mask.shape != values.shape[1:]:
                raise UsageError(
                    f"valid: is {mask.dtype} {mask.shape}; it must be bool {values.shape[1:]}."
                )
        self.path, self.bands, self.dtype = "array", bands, values.dtype.name
        self.height, self.width = values.shape[1:]
        self._values, self._valid = values, mask

    def read_with_validity(self, window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Read values (B, h, w), and which pixels hold data (h, w)."""
        rows = slice(window.row, window.row + window.height)
        columns = slice(window.column, window.column + window.width)
        return self._values[:, rows, columns], self._valid[rows, columns]
