"""What tiles show that earlier ones show already, so that each pixel is counted once.

Tiles of the last row and column are shifted back and overlap their neighbours: 6800 x 7200 pixels
in tiles of 512 give 12 % of the pixels two to four times. Counted row by row, a pixel belongs to
the first tile of its split that shows it.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dnas_cli.scenes.raster import Window
from dnas_cli.tiles.grid import offsets
from dnas_cli.tiles.lists import TileRef, place_of

Parts = tuple[Window, ...]


def repeated_parts(
    refs: Iterable[TileRef], shapes: Mapping[str, tuple[int, int]], size: int
) -> dict[str, Parts]:
    """Return the repeated parts of those tiles of a split that have some, by their image.

    Args:
        shapes: Height and width of the images that they were cut from, by name.
    """
    overlapping = {
        name: shape for name, shape in shapes.items() if shape[0] % size or shape[1] % size
    }
    if not overlapping:
        return {}
    places = {place: ref.image for ref in refs if (place := place_of(ref)) is not None}
    found = {}
    for (name, row, column), image in places.items():
        if name in overlapping:
            earlier = tuple((r, c) for r, c in _earlier(row, column) if (name, r, c) in places)
            if parts := repeated((row, column), overlapping[name], size, earlier):
                found[image] = parts
    return found


@lru_cache(maxsize=65_536)  # scenes are mostly of one size
def repeated(
    place: tuple[int, int],
    shape: tuple[int, int],
    size: int,
    earlier: tuple[tuple[int, int], ...],
) -> Parts:
    """Return the parts of a tile that earlier tiles show as well, in pixels of the tile.

    1200 pixels and tiles of 512: the third starts at 688 and repeats 336 pixels of the second,
    which ends at 1024.

    Args:
        place: Row and column of the tile in the grid; one beyond the grid repeats nothing.
        earlier: Rows and columns of the tiles before it that are counted.
    """
    (row, column), rows, columns = place, offsets(shape[0], size), offsets(shape[1], size)
    if row >= len(rows) or column >= len(columns):
        return ()
    found = []
    for r, c in earlier:
        if r < len(rows) and c < len(columns):
            top, bottom = _shared(rows[row], rows[r], size)
            left, right = _shared(columns[column], columns[c], size)
            if top < bottom and left < right:
                found.append(Window(top, left, bottom - top, right - left))
    return tuple(found)


def _earlier(row: int, column: int) -> tuple[tuple[int, int], ...]:
    """Return the neighbours that are counted before a tile; others do not reach it."""
    return (row - 1, column - 1), (row - 1, column), (row - 1, column + 1), (row, column - 1)


def first_shown(parts: Parts, size: int) -> npt.NDArray[np.bool_]:
    """Return the pixels (size, size) of a tile that are in none of its repeated parts."""
    first = np.ones((size, size), np.bool_)
    for part in parts:
        first[part.row : part.row + part.height, part.column : part.column + part.width] = False
    return first


def _shared(start: int, other: int, size: int) -> tuple[int, int]:
    """Return where a stretch that starts at `start` is overlapped by another, relative to it."""
    return max(0, other - start), min(size, size + other - start)
