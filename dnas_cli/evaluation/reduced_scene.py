"""A scene put together from its tiles at a reduced size: image, truth, map, errors, confidence."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.evaluation.tile_scores import Look
from dnas_cli.metrics import IGNORE
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.tile_set import TileSet

_GAP = 2  # pixels between the images of a scene


def look_at_scene(
    tiles: TileSet, refs: Sequence[TileRef], looks: Iterable[Look], side: int
) -> Look | None:
    """Put a scene together from its tiles; the images of a scene of several lie side by side.

    Args:
        looks: At the same tiles, in the same order; one is held at a time. Later ones cover
            earlier ones.
        side: Most pixels along a side of the result.

    Returns:
        None where the tiles do not say where in an image they are.
    """
    places = [tiles.locate(ref) for ref in refs]
    known = [place for place in places if place is not None]
    if len(known) < len(places) or not known:
        return None
    size = tiles.tile_size
    corners, height, width = _layout(known, size)
    step = max(height, width) / side if max(height, width) > side else 1.0
    rows = (np.arange(math.ceil(height / step)) * step).astype(np.int64)
    columns = (np.arange(math.ceil(width / step)) * step).astype(np.int64)
    shape = (len(rows), len(columns))
    look = Look(
        np.zeros((len(tiles.bands), *shape), np.float32),
        np.zeros(shape, np.bool_),
        np.full(shape, IGNORE, np.uint8),
        np.full(shape, IGNORE, np.uint8),
        np.zeros(shape, np.float32),
    )
    for (name, row, column), here in zip(known, looks, strict=True):
        top, left = corners[name][0] + row, corners[name][1] + column
        y, x = _inside(rows, top, size), _inside(columns, left, size)
        if not len(y) or not len(x):
            continue
        at, own = np.ix_(y, x), np.ix_(rows[y] - top, columns[x] - left)
        look.image[:, at[0], at[1]] = _means(here.image, rows[y] - top, columns[x] - left)
        look.valid[at] = here.valid[own]
        look.truth[at] = here.truth[own]
        look.predicted[at] = here.predicted[own]
        look.confidence[at] = here.confidence[own]
    return look


def _layout(
    places: Sequence[tuple[str, int, int]], size: int
) -> tuple[Mapping[str, tuple[int, int]], int, int]:
    """Return where each image begins, and height and width of all: images in rows and columns."""
    names = sorted({name for name, _, _ in places})
    across = math.ceil(math.sqrt(len(names)))
    height = max(row for _, row, _ in places) + size
    width = max(column for _, _, column in places) + size
    gap = 0 if len(names) == 1 else round(_GAP * max(1.0, across * max(height, width) / 200))
    corners = {
        name: (number // across * (height + gap), number % across * (width + gap))
        for number, name in enumerate(names)
    }
    down = math.ceil(len(names) / across)
    return corners, down * (height + gap) - gap, across * (width + gap) - gap


def _inside(samples: npt.NDArray[np.int64], start: int, size: int) -> npt.NDArray[np.int64]:
    """Return which of the sampled positions lie in a stretch."""
    return np.flatnonzero((samples >= start) & (samples < start + size))


def _means(
    image: npt.NDArray[Any], rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the means (B, h, w) of an image between each sample and the next, within the tile."""
    sums = np.add.reduceat(image.astype(np.float64), rows, axis=1)
    sums = np.add.reduceat(sums, columns, axis=2)
    heights = np.diff(rows, append=image.shape[1])
    widths = np.diff(columns, append=image.shape[2])
    return np.asarray(sums / (heights[:, None] * widths[None]))
