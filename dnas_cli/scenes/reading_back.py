"""Rasters are read back after writing: on a full disk GDAL may close one without an error."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from dnas_cli.errors import DataError
from dnas_cli.files import not_whole
from dnas_cli.scenes.opening import opened
from dnas_cli.scenes.rows import Rows

_ROWS = 512  # read at once


def check_copy(target: Path, written: Path, draft: Path) -> None:
    """Check that a copy holds the pixels, overviews, tags and colours of the raster it is made of.

    Args:
        target: Its final name, for the message.
        written: The copy.
        draft: What it was made of.

    Raises:
        DnasError: It does not.
    """
    with opened(draft) as source:
        height, width = source.shape

        def read(start: int, stop: int) -> npt.NDArray[Any]:
            values: npt.NDArray[Any] = source.read(window=((start, stop), (0, width)))
            return values

        check_raster(written, Rows(source.count, height, width, read), target, _facts(source))


def check_raster(
    written: Path, expected: Rows, target: Path | None = None, facts: Sequence[object] = ()
) -> None:
    """Check that a raster holds what was written.

    Args:
        written: The raster.
        expected: What it should hold.
        target: Its final name, for the message.
        facts: What it should hold beside pixels.

    Raises:
        DnasError: It does not.
    """
    whole = True
    try:
        with opened(written) as raster:
            whole = not facts or all(map(_holds, _facts(raster), facts))
            for start in range(0, expected.height, _ROWS):
                stop = min(start + _ROWS, expected.height)
                values = raster.read(window=((start, stop), (0, expected.width)))
                whole = whole and np.array_equal(values, expected.read(start, stop))
            _read_overviews(raster)
    except (DataError, RasterioError, CPLE_BaseError):
        whole = False
    if not whole:
        raise not_whole(target or written)


def _facts(raster: Any) -> Sequence[object]:
    """Return what a raster holds beside pixels and its place; a PNG has no tags of bands."""
    try:
        colours = raster.colormap(1)
    except ValueError:
        colours = {}
    tags = map(raster.tags, raster.indexes) if raster.driver == "GTiff" else ()
    return raster.tags(), colours, raster.nodatavals, *tags


def _holds(found: object, wanted: object) -> bool:
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.items() >= wanted.items() - {("AREA_OR_POINT", "Area")}
    return found == wanted


def _read_overviews(raster: Any) -> None:
    for factor in raster.overviews(1):
        width, rows = -(-raster.width // factor), _ROWS * factor
        for start in range(0, raster.height, rows):
            stop = min(start + rows, raster.height)
            shape = (raster.count, -(-(stop - start) // factor), width)
            raster.read(window=((start, stop), (0, raster.width)), out_shape=shape)
