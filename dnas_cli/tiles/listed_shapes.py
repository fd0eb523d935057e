"""The size of the images that tiles from lists were cut from, found by what neighbours share.

Lists do not say it. The tiles of the last row and column are shifted back to end at the border, so
that they show again what their neighbours show. As many rows and columns as are equal overlap.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError
from dnas_cli.tiles.lists import TileRef, place_of

Values = npt.NDArray[Any]
Read = Callable[[TileRef], Values]
Place = tuple[int, int]  # row and column

_LOOKED_AT = 2  # pairs of neighbours along each side


def image_shapes(refs: Iterable[TileRef], read: Read, size: int) -> dict[str, tuple[int, int]]:
    """Return height and width of the images that tiles were cut from, by name.

    Images are left out where tiles have other names than `<image>_<row>_<column>_img`, where they
    are no grid of that kind, and where neighbours share too little.

    Args:
        refs: The tiles.
        read: Returns the band values (B, size, size) of a tile.
        size: Height and width of a tile.
    """
    grids: dict[str, dict[Place, TileRef]] = defaultdict(dict)
    for ref in refs:
        if place := place_of(ref):
            grids[place[0]][place[1:]] = ref
    found = {}
    for name, grid in grids.items():
        height, width = (_length(grid, axis, read, size) for axis in (0, 1))
        if height is not None and width is not None:
            found[name] = (height, width)
    return found


def _length(grid: dict[Place, TileRef], axis: int, read: Read, size: int) -> int | None:
    """Return the length of a side in pixels, if two tiles show it."""
    last = max(place[axis] for place in grid)
    overlap = _overlap(grid, axis, last, read) if last else 0
    inner = _overlap(grid, axis, 1, read) if last > 1 else 0
    return None if overlap is None or inner else (last + 1) * size - overlap


def _overlap(grid: dict[Place, TileRef], axis: int, index: int, read: Read) -> int | None:
    """Return how many rows or columns tiles share with those before them; None where unknown."""
    found = set[int]()
    looked_at = 0
    for place in sorted(place for place in grid if place[axis] == index):
        before = (place[0] - 1, place[1]) if axis == 0 else (place[0], place[1] - 1)
        if before not in grid:
            continue
        try:
            one, other = read(grid[before]), read(grid[place])
        except DataError:  # it is reported when all tiles are measured
            continue
        if axis == 0:
            one, other = one.swapaxes(1, 2), other.swapaxes(1, 2)
        shared = _shared(one, other)
        found |= set() if shared is None else {shared}
        looked_at += 1
        if looked_at == _LOOKED_AT:
            break
    return found.pop() if len(found) == 1 else None


def _shared(one: Values, other: Values) -> int | None:
    """Return how many of its first columns a tile shares with the one before; None where unclear.

    Args:
        one: (B, H, W) values.
        other: (B, H, W) values of the next tile.
    """
    one, other = np.nan_to_num(one), np.nan_to_num(other)
    columns = one.shape[2]
    starts = np.flatnonzero((one[:, :, 1:] == other[:, :, :1]).all(axis=(0, 1))) + 1
    found = [
        columns - start
        for start in starts.tolist()
        if np.array_equal(one[:, :, start:], other[:, :, : columns - start])
    ]
    if not found:
        return 0
    # What is the same everywhere looks the same wherever it is.
    strip = other[:, :, : found[0]]
    return found[0] if len(found) == 1 and np.ptp(strip) else None
