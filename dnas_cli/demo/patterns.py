"""The elements of a synthetic landscape: smooth noise, and the parcels of a rotated grid."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Field = npt.NDArray[Any]  # (H, W) float32 or float64
Mask = npt.NDArray[np.bool_]  # (H, W)
Numbers = npt.NDArray[np.int64]  # (H, W)

_SHARES = 1 << 16  # number of distinct values in `share_of`


def smooth_noise(generator: np.random.Generator, shape: tuple[int, int], period: float) -> Field:
    """Return noise of zero mean and unit deviation that changes over about `period` pixels."""
    height, width = shape
    rows, columns = int(height / period) + 4, int(width / period) + 4
    grid = generator.standard_normal((rows, columns)).astype(np.float32)
    size = (int(columns * period) + 1, int(rows * period) + 1)
    fine = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    # Start within the second grid cell: the first is flattened by the border, and a fixed start
    # would put the hills of all scenes at the same places.
    row, column = generator.integers(int(period), 2 * int(period) + 1, 2)
    return standardise(fine[row : row + height, column : column + width])


def fractal_noise(
    generator: np.random.Generator, shape: tuple[int, int], period: float, octaves: int = 4
) -> Field:
    """Return noise with detail at `octaves` scales from `period` pixels downwards."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        if period / 2**octave < 1.5:
            break
        total += smooth_noise(generator, shape, period / 2**octave) * np.float32(0.55**octave)
    return standardise(total)


def grain(generator: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """Return blurred white noise of unit deviation: grains of about `2 * sigma` pixels."""
    white = generator.standard_normal(shape, np.float32)
    return standardise(cv2.GaussianBlur(white, (0, 0), sigma))


def standardise(field: Field) -> Field:
    """Return the field shifted and scaled to zero mean and unit deviation."""
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def highest(field: Field, share: float) -> Mask:
    """Return the mask of the given share of pixels with the highest values."""
    return np.asarray(field > np.quantile(field, 1.0 - share))


def shifted(mask: Mask, rows: int, columns: int) -> Mask:
    """Return the mask shifted down and right, with false at the edges."""
    result = np.zeros_like(mask)
    result[rows:, columns:] = mask[: mask.shape[0] - rows, : mask.shape[1] - columns]
    return result


@dataclass(frozen=True)
class Parcels:
    """A division of the plane into rectangles, turned by an angle that may change from place to
    place. All arrays are (H, W).

    Attributes:
        number: Which parcel a pixel belongs to; any integer.
        border: Distance to the nearest side of the parcel, in pixels.
        along: Coordinate in the direction of the parcel's long side, in pixels.
        across: Coordinate across it in pixels, 0 on the axis of the parcel.
        centre: Flat index of the pixel at the parcel's centre, clipped to the scene.
    """

    number: Numbers
    border: Field
    along: Field
    across: Field
    centre: Numbers

    def at_centre(self, field: Field) -> Field:
        """Return the field as if it were constant over each parcel: its value at the centre."""
        return field.ravel()[self.centre]

    def share_of(self, purpose: int) -> Field:
        """Return one random number in 0..1 per parcel, another for every purpose."""
        return share_of(self.number, purpose)


def parcels(
    district: Numbers, angle: Field, length: Field, breadth: Field, warp: tuple[Field, Field]
) -> Parcels:
    """Divide the plane into rectangles of about `length` x `breadth` pixels.

    Args:
        district: (H, W) number of the district; every district has its own grid.
        angle: (H, W) direction of the long sides in radians, constant within a district.
        length: (H, W) length of the parcels in pixels, constant within a district.
        breadth: (H, W) breadth of the parcels in pixels, constant within a district.
        warp: (H, W) displacements in x and y that bend the sides.
    """
    height, width = district.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x + warp[0], y + warp[1]
    cosine, sine = np.cos(angle), np.sin(angle)
    along, across = x * cosine + y * sine, y * cosine - x * sine

    strip = np.floor(across / breadth).astype(np.int64)
    row = mixed(district, strip)
    length = length * (0.6 + 0.9 * share_of(row, 1))  # strips differ in the length of parcels
    start = along + length * share_of(row, 2)
    column = np.floor(start / length).astype(np.int64)

    from_end = start - column * length
    from_side = across - strip * breadth
    border = np.minimum(
        np.minimum(from_end, length - from_end), np.minimum(from_side, breadth - from_side)
    )
    to_middle, to_axis = length / 2 - from_end, breadth / 2 - from_side
    centre_x = np.clip(np.round(x + to_middle * cosine - to_axis * sine), 0, width - 1)
    centre_y = np.clip(np.round(y + to_middle * sine + to_axis * cosine), 0, height - 1)
    return Parcels(
        number=mixed(row, column),
        border=border.astype(np.float32),
        along=along.astype(np.float32),
        across=(-to_axis).astype(np.float32),
        centre=(centre_y * width + centre_x).astype(np.int64),
    )


def mixed(first: Numbers, second: Numbers) -> Numbers:
    """Return one number for each pair of numbers, spread over 48 bits."""
    value = (first * 0x9E3779B1 + second * 0x85EBCA77 + 0x165667B1) & 0xFFFFFFFFFFFF
    value ^= value >> 15
    value = (value * 0x2C1B3C6D) & 0xFFFFFFFFFFFF
    return value ^ (value >> 21)


def share_of(number: Numbers, purpose: int) -> Field:
    """Return a random number in 0..1 that depends on the number and the purpose alone."""
    spread = mixed(number, np.full(1, purpose, np.int64))
    return ((spread % _SHARES) / np.float32(_SHARES)).astype(np.float32)
