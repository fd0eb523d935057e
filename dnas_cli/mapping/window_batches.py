"""A scene as batches of windows for a network, read and prepared ahead.

Two threads: one reads the next row of windows, one cuts and normalises the next batch. So memory
holds two rows of windows: one being cut and one being read.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.mapping.read_ahead import prefetched
from dnas_cli.mapping.windows import WindowGrid, finished_ends, reflected
from dnas_cli.scenes.clip import Clip
from dnas_cli.scenes.normalisation import AsStored, Normalisation
from dnas_cli.scenes.pixels import Pixels
from dnas_cli.scenes.raster import Window


@dataclass(frozen=True)
class WindowBatch:
    """Neighbouring windows of one row of windows, ready for a network.

    Attributes:
        first: Index of the first window in its row.
        images: (n, B, window, window) normalised; only windows that hold data.
        has_data: Per window, whether it holds data.
        valid: (h, W) whether the rows that this row of windows finishes hold data.
    """

    row_index: int
    first: int
    images: npt.NDArray[np.float32]
    has_data: tuple[bool, ...]
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _WindowRow:
    """The part of a scene under a row of windows, as stored values."""

    index: int
    places: npt.NDArray[np.intp]  # (window,) the row of `values` under each row of the windows
    values: npt.NDArray[Any]  # (B, h, W)
    valid: npt.NDArray[np.bool_]  # (h, W)
    wanted: npt.NDArray[np.bool_]  # (h, W) valid and to be mapped
    finished: slice  # of the rows of `valid`


def window_batches(
    scene: Pixels,
    normalisation: Normalisation | AsStored,
    grid: WindowGrid,
    size: int,
    first_row: int,
    clip: Clip | None = None,
) -> Iterator[WindowBatch]:
    """Yield the windows of a scene, row by row.

    Args:
        scene: Open with the bands in the network's order.
        normalisation: From stored band values to network input.
        size: Most windows per batch.

    Raises:
        DataError: The scene is damaged.
    """
    return prefetched(_batches(scene, normalisation, grid, size, first_row, clip))


def _batches(
    scene: Pixels,
    normalisation: Normalisation | AsStored,
    grid: WindowGrid,
    size: int,
    first_row: int,
    clip: Clip | None,
) -> Generator[WindowBatch, None, None]:
    columns = [reflected(span.start, grid.window, scene.width) for span in grid.spans(scene.width)]
    for row in prefetched(_rows(scene, grid, first_row, clip)):
        # A copy: a view would keep the whole row of windows until its last batch.
        finished_valid = row.wanted[row.finished].copy()
        for first in range(0, len(columns), size):
            windows = [_window(row, across, normalisation) for across in columns[first:][:size]]
            images = [image for image in windows if image is not None]
            shape = (0, len(row.values), grid.window, grid.window)
            yield WindowBatch(
                row.index,
                first,
                np.stack(images) if images else np.empty(shape, np.float32),
                tuple(image is not None for image in windows),
                finished_valid,
            )
        del row  # before the one after the next is read


def _window(
    row: _WindowRow, columns: npt.NDArray[np.intp], normalisation: Normalisation | AsStored
) -> npt.NDArray[np.float32] | None:
    """Return a normalised window; None if it holds no data."""
    if not _gather(row.wanted, row.places, columns).any():
        return None
    valid = _gather(row.valid, row.places, columns)
    values = _gather(row.values, row.places, columns)
    return normalisation.apply(values, None if valid.all() else valid)


def _rows(
    scene: Pixels, grid: WindowGrid, first_row: int, clip: Clip | None
) -> Generator[_WindowRow, None, None]:
    spans = grid.spans(scene.height)
    ends = finished_ends(spans, scene.height)
    for index in range(first_row, len(spans)):
        places = reflected(spans[index].start, grid.window, scene.height)
        top, bottom = int(places.min()), int(places.max()) + 1
        window = Window(top, 0, bottom - top, scene.width)
        covered = None if clip is None else clip.covers(window)
        if covered is None or covered.any():
            values, valid = scene.read_with_validity(window)
        else:
            values = np.empty((len(scene.bands), 0, 0), scene.dtype)
            valid = np.zeros_like(covered)
        wanted = valid if covered is None else valid & covered
        begin = ends[index - 1] if index else 0
        finished = slice(begin - top, ends[index] - top)
        row = _WindowRow(index, places - top, values, valid, wanted, finished)
        del values, valid, covered, wanted
        yield row
        del row


def _gather(
    values: npt.NDArray[Any], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> npt.NDArray[Any]:
    if rows[-1] - rows[0] == rows.size - 1 and columns[-1] - columns[0] == columns.size - 1:
        inside: npt.NDArray[Any] = values[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return inside
    mirrored: npt.NDArray[Any] = values[..., rows[:, None], columns]
    return mirrored
