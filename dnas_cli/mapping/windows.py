"""The positions of windows along one side of a scene, and their weights at each pixel.

Both sides of a scene are planned alike and independently: the weight of a window at a pixel is the
product of its weights along the rows and the columns. No raster, no network: plain numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import UsageError

_LARGEST = 16384  # pixels; a network needs gigabytes for a window of this size


@dataclass(frozen=True)
class Span:
    """One window along one side of a scene.

    Attributes:
        start: First pixel; negative if the window starts before the scene.
        weights: (window,) float32. The weights of all spans at a pixel of the scene add up to one.
    """

    start: int
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class WindowGrid:
    """Size and overlap of the windows over a scene.

    Attributes:
        window: Pixels along a side.
        overlap: Pixels shared by neighbours, at most half a window, so that at most two meet.
        shift: Pixels by which the grid is moved up and left, to measure seams.
    """

    window: int
    overlap: int
    shift: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.window <= _LARGEST:
            raise UsageError(
                f"A window of {self.window} pixels is not possible.",
                f"Give a window between 1 and {_LARGEST}; the size of the training tiles is best.",
            )
        if not 0 <= self.overlap <= self.window // 2:
            raise UsageError(
                f"An overlap of {self.overlap} does not fit windows of {self.window} pixels.",
                f"Give an overlap between 0 and {self.window // 2}.",
            )
        if not 0 <= self.shift < self.stride:
            raise UsageError(f"A shift of {self.shift} is not below the step of {self.stride}.")

    @property
    def stride(self) -> int:
        """Pixels from one window to the next."""
        return self.window - self.overlap

    def spans(self, length: int) -> tuple[Span, ...]:
        """Plan the windows along a side of `length` pixels.

        The grid starts half an overlap before the scene and ends at least as far behind it, so
        pixels at the border have context on both sides like all others. For example 1000 pixels,
        windows of 512 and an overlap of 128: starts -64, 320, 704 (ends at 1216). A scene that fits
        one window, context included, is centred in it: 200 pixels start at -156.
        """
        margin = self.overlap // 2
        if length + 2 * margin <= self.window and not self.shift:
            return (Span(-((self.window - length) // 2), np.ones(self.window, np.float32)),)
        first = -margin - self.shift
        missing = length + margin - (first + self.window)
        count = 1 + math.ceil(max(0, missing) / self.stride)
        return tuple(
            Span(first + index * self.stride, self._weights(index > 0, index < count - 1))
            for index in range(count)
        )

    def _weights(self, fades_in: bool, fades_out: bool) -> npt.NDArray[np.float32]:
        """Return one in the middle and a raised cosine towards neighbours.

        With an overlap of 4 the ramp is .038, .309, .691, .962; it adds up to one with its reverse.
        """
        weights = np.ones(self.window, np.float32)
        steps = (np.arange(self.overlap) + 0.5) / max(self.overlap, 1)
        ramp = np.sin(np.pi / 2 * steps) ** 2
        if fades_in and self.overlap:
            weights[: self.overlap] = ramp
        if fades_out and self.overlap:
            weights[-self.overlap :] = ramp[::-1]
        return weights


def finished_ends(spans: tuple[Span, ...], length: int) -> list[int]:
    """Return the end of the finished pixels of a side after each of its windows."""
    return [min(max(span.start, 0), length) for span in spans[1:]] + [length]


def reflected(start: int, count: int, length: int) -> npt.NDArray[np.intp]:
    """Return the pixels of a scene at `count` positions from `start`.

    Outside the scene they are mirrored at its border pixel, repeatedly if the scene is short:
    length 4, from -2, 9 positions: 2 1 0 1 2 3 2 1 0.
    """
    positions = np.arange(start, start + count, dtype=np.intp)
    if length == 1:
        return np.zeros_like(positions)
    period = 2 * (length - 1)
    positions %= period
    return np.minimum(positions, period - positions)
