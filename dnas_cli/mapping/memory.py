"""The estimated peak memory of a map."""

from dataclasses import dataclass

import numpy as np

from dnas_cli.container import peak_memory
from dnas_cli.mapping.stream import Predictor, probabilities
from dnas_cli.mapping.windows import WindowGrid
from dnas_cli.scenes.patches import STRIP_BYTES
from dnas_cli.scenes.sieve import SIEVE_BYTES

GDAL_CACHE = 256 * 2**20  # bytes of decoded blocks that GDAL keeps, on any machine


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes of main memory at the peak.

    Attributes:
        process: The process with the network, after one forward pass (measured).
        rows: The buffered rows of the scene and the map (counted).
        windows: The windows before, in and after the network (counted).
        strips: A strip of the map that is sieved, or whose patches become polygons, after all
            windows (measured).
    """

    process: int
    rows: int
    windows: int
    strips: int = 0

    @property
    def total(self) -> int:
        """The sum, with GDAL's cache."""
        return self.process + max(self.rows + self.windows, self.strips) + GDAL_CACHE


def process_bytes(predictor: Predictor, bands: int, grid: WindowGrid) -> int:
    """Run one forward pass, so that the network claims its memory, and return the peak."""
    probabilities(
        predictor, np.zeros((predictor.batch, bands, grid.window, grid.window), np.float32)
    )
    return peak_memory()


def estimate_memory(
    process: int,
    width: int,
    bands: int,
    dtype: str,
    predictor: Predictor,
    grid: WindowGrid,
    shares: int,
    with_polygons: bool = False,
    with_sieve: bool = False,
) -> MemoryEstimate:
    """Estimate the peak for a scene of `width` pixels, of any height."""
    return MemoryEstimate(
        process=process,
        rows=row_bytes(width, bands, dtype, predictor.classes, grid, shares),
        windows=window_bytes(bands, predictor, grid),
        strips=max(STRIP_BYTES if with_polygons else 0, SIEVE_BYTES if with_sieve else 0),
    )


def row_bytes(
    width: int, bands: int, dtype: str, classes: int, grid: WindowGrid, shares: int
) -> int:
    """Return the bytes of all buffers that are as wide as the scene.

    Two rows of windows of the scene with two masks each (one is read ahead), the probabilities of
    the rows that both share (float32), and twice the finished rows (some are being written). For
    example 30,000 pixels of 4 bands in 8 bits, 5 classes, windows of 512, overlap 128: 184 + 77 +
    46 MB.
    """
    scene = 2 * grid.window * width * (bands * np.dtype(dtype).itemsize + 2)
    shared = classes * grid.overlap * width * 4
    finished = 2 * grid.stride * width * (2 + shares)
    return scene + shared + finished


def window_bytes(bands: int, predictor: Predictor, grid: WindowGrid) -> int:
    """Return the bytes of the windows that are prepared, predicted and blended."""
    pixels = grid.window**2 * 4
    prepared = 2 * predictor.batch * bands * pixels * 2  # and a copy while they are made
    return prepared + (predictor.batch + 3) * predictor.classes * pixels
