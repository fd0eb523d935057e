"""A map of class indices in strips of rows, each small enough for the outlines of its patches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_SIDES = 250_000  # sides of pixels between two classes, in a strip
_PIXELS = 32 * 2**20


@dataclass(frozen=True)
class Strip:
    """Rows of a map, with the adjacent row on either side.

    Attributes:
        top: Number of the first row.
        rows: (rows, width) class indices.
        above: (width,) the row above them; missing at the upper end of the map.
        below: (width,) the row below them; missing at the lower end of the map.
    """

    top: int
    rows: npt.NDArray[np.uint8]
    above: npt.NDArray[np.uint8] | None
    below: npt.NDArray[np.uint8] | None

    @property
    def bottom(self) -> int:
        """Number of the row after the last one."""
        return self.top + len(self.rows)

    def is_needed(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return the points on the strip's frame at which an outline on either side ends or turns.

        With exactly these points, outlines that meet at the frame have the same sides there.
        """
        height, width = self.rows.shape
        first, last = self.rows[0], self.rows[-1]
        lines = [
            _changes(first) | _changes(first if self.above is None else self.above),
            _changes(last) | _changes(last if self.below is None else self.below),
        ]
        sides = [_changes(self.rows[:, 0]), _changes(self.rows[:, -1])]
        # A point between two pixel corners is not on the frame; its result is not used.
        x = np.clip(points[:, 0], 0, width).astype(np.intp)
        y = np.clip(points[:, 1] - self.top, 0, height).astype(np.intp)
        needed = np.zeros(len(points), bool)
        for at, changes, along in (
            (x == 0, sides[0], y), (x == width, sides[1], y),
            (y == 0, lines[0], x), (y == height, lines[1], x),
        ):  # fmt: skip
            needed[at] |= changes[along[at]]
        return needed

    def is_frame(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return the points on the strip's upper and lower line and on the map's left and right."""
        x, y = points[:, 0], points[:, 1]
        on_lines = (y == self.top) | (y == self.bottom)
        result: npt.NDArray[np.bool_] = on_lines | (x == 0) | (x == self.rows.shape[1])
        return result


def _changes(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return (n + 1,) whether the value changes before each position; it does at both ends."""
    ends = np.ones(1, bool)
    return np.concatenate([ends, values[1:] != values[:-1], ends])


def strips(raster: Any) -> Iterator[Strip]:
    """Yield the strips of a map from top to bottom, at least one.

    Args:
        raster: A rasterio dataset with one band.
    """
    height, width = raster.shape
    top, sides = 0, 0
    chunks: list[npt.NDArray[np.uint8]] = []
    above = None
    step = _step(width)
    for row in range(0, height, step):
        rows = min(step, height - row)
        chunk = raster.read(1, window=((row, row + rows), (0, width)))
        across, down = chunk[:, 1:] != chunk[:, :-1], chunk[1:] != chunk[:-1]
        more = int(np.count_nonzero(across) + np.count_nonzero(down))
        pixels = (row + rows - top) * width
        if chunks and (sides + more > _SIDES or pixels > _PIXELS):
            strip = Strip(top, np.concatenate(chunks), above, chunk[0])
            yield strip
            top, sides, chunks, above = row, 0, [], strip.rows[-1]
        chunks.append(chunk)
        sides += more
    yield Strip(top, np.concatenate(chunks), above, None)


def _step(width: int) -> int:
    """Return the number of rows per strip: few enough that even noise fits."""
    return min(max(_SIDES // (4 * width), 1), 64)
