"""A raster as rows that are read a few at a time, so that a map never has to fit in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

ReadRows = Callable[[int, int], npt.NDArray[Any]]


@dataclass(frozen=True)
class Rows:
    """A raster that is read a few rows at a time, wherever it is.

    Attributes:
        width: Pixels per row.
        read: Returns rows `start` to `stop`: (count, stop - start, width).
    """

    count: int
    height: int
    width: int
    read: ReadRows
