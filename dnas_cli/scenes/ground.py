"""Lengths and areas of pixels on the ground, wherever they lie and whatever their CRS does to them.

Measured on the WGS84 ellipsoid: a pixel's sides are brought to longitude and latitude, whose
lengths at a place are known. So Mercator, polar and geostationary maps and degrees come out right,
and UTM without its 0.08 %.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform

from dnas_cli.errors import DataError
from dnas_cli.scenes.georeference import is_in_degrees, metres_per_unit
from dnas_cli.scenes.on_grid import Grid
from dnas_cli.scenes.raster import Georeference

_NEARLY = 0.05  # grids whose resolutions differ by less are left as they are
_MOST_TIMES = 50.0  # as many pixels in a row
LARGEST_RATIO = 1.5  # of two ground resolutions that a network takes for one
_AXIS, _FLATTENING = 6378137.0, 1 / 298.257223563  # of WGS84, in metres
_LATTICE = 33  # columns at which a row of pixels is measured; between them areas are interpolated
_STEP = 16  # rows likewise

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PixelGround:
    """Pixels on the ground; not a number where a pixel does not lie on the Earth.

    Attributes:
        across: Metres of the side along a row.
        down: Metres of the side along a column.
        area: Square metres.
    """

    across: Floats
    down: Floats
    area: Floats


def pixel_ground(place: Georeference, rows: Floats, columns: Floats) -> PixelGround | None:
    """Measure pixels centred at rows and columns (n,); nothing where that cannot be done."""
    if place.crs_wkt is None or place.transform is None:
        return None
    a, b, c, d, e, f = place.transform
    sides = []
    latitudes = None
    for along_row, along_column in ((0.5, 0.0), (0.0, 0.5)):
        ends = []
        for sign in (-1, 1):
            x_pixel, y_pixel = columns + sign * along_row, rows + sign * along_column
            placed = _degrees(
                place.crs_wkt, a * x_pixel + b * y_pixel + c, d * x_pixel + e * y_pixel + f
            )
            if placed is None:
                return _planar(place, len(rows))
            ends.append(placed)
        (west, south), (east, north) = ends
        middle = np.radians((south + north) / 2)
        latitudes = middle if latitudes is None else latitudes
        turn = np.radians((east - west + 180) % 360 - 180)
        sides.append((turn, np.radians(north - south)))
    assert latitudes is not None
    squared = _FLATTENING * (2 - _FLATTENING)
    bend = 1 - squared * np.sin(latitudes) ** 2
    per_longitude = _AXIS / np.sqrt(bend) * np.cos(latitudes)
    per_latitude = _AXIS * (1 - squared) / bend**1.5
    (x1, y1), (x2, y2) = [(turn * per_longitude, rise * per_latitude) for turn, rise in sides]
    return PixelGround(np.hypot(x1, y1), np.hypot(x2, y2), np.abs(x1 * y2 - x2 * y1))


def ground_resolution(place: Georeference, height: int, width: int) -> float | None:
    """Return the metres of a pixel's side in the middle of a raster, the mean of both sides."""
    middle = pixel_ground(place, np.array([height / 2]), np.array([width / 2]))
    if middle is None:
        return None
    side = math.sqrt(float(middle.across[0]) * float(middle.down[0]))
    return side if math.isfinite(side) and side > 0 else None


def grid_at(place: Georeference, height: int, width: int, metres: float) -> Grid | None:
    """Return the grid of a raster whose pixels are resampled to squares of some metres.

    It has the extent of the raster. Nothing where the pixels are such squares within a twentieth,
    or lie nowhere.

    Raises:
        DataError: The pixels would be far too many.
    """
    middle = pixel_ground(place, np.array([height / 2]), np.array([width / 2]))
    sides = None if middle is None else (float(middle.down[0]), float(middle.across[0]))
    if sides is None or place.transform is None or not all(0 < side < math.inf for side in sides):
        return None
    down, across = (side / metres for side in sides)
    if max(abs(down - 1), abs(across - 1)) <= _NEARLY:
        return None
    if max(down, across) > _MOST_TIMES:
        raise DataError(
            f"Pixels of {max(sides):.3g} m cannot be resampled to {metres:.3g} m: that is more "
            f"than {_MOST_TIMES:g} times as many in a row."
        )
    rows, columns = max(1, round(height * down)), max(1, round(width * across))
    a, b, c, d, e, f = place.transform
    x, y = width / columns, height / rows
    return Grid(place.crs_wkt, (a * x, b * y, c, d * x, e * y, f), rows, columns)


def footprint(
    place: Georeference, height: int, width: int
) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of a raster in degrees; nothing where it lies nowhere."""
    if place.crs_wkt is None or place.transform is None:
        return None
    a, b, c, d, e, f = place.transform
    side = np.linspace(0, 1, 9)
    x, y = (values.ravel() for values in np.meshgrid(side * width, side * height))
    placed = _degrees(place.crs_wkt, a * x + b * y + c, d * x + e * y + f)
    if placed is None:
        return None
    longitude, latitude = placed
    box = (np.nanmin(longitude), np.nanmin(latitude), np.nanmax(longitude), np.nanmax(latitude))
    west, south, east, north = (float(value) for value in box)
    return west, south, east, north


def pixel_areas(place: Georeference, row: int, height: int, width: int) -> Floats | None:
    """Return the square metres of every pixel (height, width) of some rows, from `row` on.

    Areas are measured on a lattice and interpolated; pixels that are not on the Earth have none.
    """
    across = np.linspace(0.5, width - 0.5, min(_LATTICE, width))
    down = np.unique(np.r_[np.arange(0, height, _STEP), height - 1]) + row + 0.5
    lattice = np.meshgrid(down, across, indexing="ij")
    measured = pixel_ground(place, lattice[0].ravel(), lattice[1].ravel())
    if measured is None:
        return None
    areas = np.nan_to_num(measured.area, posinf=0).reshape(len(down), len(across))
    columns = np.arange(width) + 0.5
    rows = np.arange(row, row + height) + 0.5
    wide = np.stack([np.interp(columns, across, line) for line in areas])  # (lattice rows, width)
    at = np.clip(np.searchsorted(down, rows, side="right") - 1, 0, max(len(down) - 2, 0))
    if len(down) == 1:
        return np.repeat(wide, height, axis=0)
    share = ((rows - down[at]) / (down[at + 1] - down[at]))[:, None]
    return np.asarray(wide[at] * (1 - share) + wide[at + 1] * share)


def _degrees(wkt: str, x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    try:
        crs = CRS.from_wkt(wkt)
        longitude, latitude = transform(crs, "EPSG:4326", x.tolist(), y.tolist())
    except (CRSError, CPLE_BaseError, RasterioError, ValueError):
        return None  # a local system, or another planet's
    placed = np.asarray(longitude, np.float64), np.asarray(latitude, np.float64)
    if not np.isfinite(placed[0]).any():
        return None
    return tuple(np.where(np.isfinite(side), side, np.nan) for side in placed)  # type: ignore[return-value]


def _planar(place: Georeference, count: int) -> PixelGround | None:
    """Measure pixels of a system that has no place on the Earth, by its unit; metres if none."""
    assert place.crs_wkt is not None
    assert place.transform is not None
    if is_in_degrees(place):  # of another planet
        return None
    unit = metres_per_unit(place)
    a, b, _, d, e, _ = place.transform
    values = (math.hypot(a, d) * unit, math.hypot(b, e) * unit, abs(a * e - b * d) * unit**2)
    return PixelGround(*(np.full(count, value) for value in values))
