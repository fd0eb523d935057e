"""Lengths and areas of pixels on the ground, wherever they lie and whatever their CRS does to them.

Measured on the WGS84 ellipsoid: a pixel's sides are brought to longitude and latitude, whose
lengths at a place are known. So Mercator, polar and geostationary maps and degrees come out right,
and UTM without its 0.08 %.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rasterio._err import CPLE_AppDefinedError, CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform

from dnas_cli.errors import DataError
from dnas_cli.scenes.georeference import Georeference, is_in_degrees, metres_per_unit
from dnas_cli.scenes.on_grid import Grid

_NEARLY = 0.05  # grids whose resolutions differ by less are left as they are
_MOST_TIMES = 50.0  # as many pixels in a row
LARGEST_RATIO = 1.5  # of two ground resolutions that a network takes for one
_AXIS, _FLATTENING = 6378137.0, 1 / 298.257223563  # of WGS84, in metres
_LATTICE = 33  # columns at which a row of pixels is measured; between them areas are interpolated
_STEP = 16  # rows likewise
_SMOOTH = 0.05  # of its logarithm, between lattice points; a line is right to 0.03 % then

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


def outline(place: Georeference, height: int, width: int) -> tuple[tuple[float, float], ...]:
    """Return longitude and latitude of points spread over a raster; none where it lies nowhere."""
    if place.crs_wkt is None or place.transform is None:
        return ()
    a, b, c, d, e, f = place.transform
    side = np.linspace(0, 1, 9)
    x, y = (values.ravel() for values in np.meshgrid(side * width, side * height))
    placed = _degrees(place.crs_wkt, a * x + b * y + c, d * x + e * y + f)
    if placed is None:
        return ()
    pairs = zip(placed[0].tolist(), placed[1].tolist(), strict=True)
    return tuple((longitude, latitude) for longitude, latitude in pairs if longitude == longitude)


def ring(place: Georeference, height: int, width: int) -> list[tuple[float, float]]:
    """Return longitude and latitude of a raster's outline, closed and counterclockwise.

    None where it lies nowhere, leaves the Earth, or crosses the meridian of 180 degrees.
    """
    if place.crs_wkt is None or place.transform is None:
        return []
    a, b, c, d, e, f = place.transform
    side = np.linspace(0, 1, 9)[:-1]
    x = width * np.concatenate([side * 0, side, side * 0 + 1, 1 - side])
    y = height * np.concatenate([side, side * 0 + 1, 1 - side, side * 0])
    placed = _degrees(place.crs_wkt, a * x + b * y + c, d * x + e * y + f)
    if placed is None or not np.isfinite(placed).all() or np.ptp(placed[0]) > 180:
        return []
    points = np.round(np.stack(placed, axis=1), 8)
    after = np.roll(points, -1, axis=0)
    if (points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]).sum() < 0:
        points = points[::-1]
    return [(float(x), float(y)) for x, y in (*points, points[0])]


def footprint(
    place: Georeference, height: int, width: int
) -> tuple[float, float, float, float] | None:
    """Return west, south, east and north of a raster in degrees; nothing where it lies nowhere."""
    points = outline(place, height, width)
    if not points:
        return None
    longitude, latitude = zip(*points, strict=True)
    return min(longitude), min(latitude), max(longitude), max(latitude)


def pixel_areas(place: Georeference, row: int, height: int, width: int) -> Floats | None:
    """Return the square metres of every pixel (height, width) of some rows, from `row` on.

    Areas are measured on a lattice and interpolated, but pixel by pixel where they change fast, as
    at the limb of the Earth; pixels that are not on the Earth have none.
    """
    across = np.linspace(0.5, width - 0.5, min(_LATTICE, width))
    down = np.unique(np.r_[np.arange(0, height, _STEP), height - 1]) + row + 0.5
    lattice = np.meshgrid(down, across, indexing="ij")
    measured = pixel_ground(place, lattice[0].ravel(), lattice[1].ravel())
    if measured is None:
        return None
    areas = measured.area.reshape(len(down), len(across))
    columns = np.arange(width, dtype=np.float64) + 0.5
    rows = np.arange(row, row + height, dtype=np.float64) + 0.5
    # (lattice rows, width), then (height, width)
    wide = np.stack([np.interp(columns, across, line) for line in areas])
    if len(down) == 1:
        found = np.repeat(wide, height, axis=0)
    else:
        at = np.clip(np.searchsorted(down, rows, side="right") - 1, 0, len(down) - 2)
        share = ((rows - down[at]) / (down[at + 1] - down[at]))[:, None]
        found = wide[at] * (1 - share) + wide[at + 1] * share
    rough = _rough_columns(areas, across, columns)
    if rough.any():
        every = np.meshgrid(rows, columns[rough], indexing="ij")
        measured = pixel_ground(place, every[0].ravel(), every[1].ravel())
        assert measured is not None
        found[:, rough] = measured.area.reshape(height, -1)
    return np.asarray(np.nan_to_num(found, posinf=0))


def _rough_columns(areas: Floats, across: Floats, columns: Floats) -> npt.NDArray[np.bool_]:
    """Return the columns whose lattice points (rows, columns) differ too much to be joined.

    Those beside points that are not on the Earth are among them.
    """
    if len(across) == 1:
        return np.zeros(len(columns), np.bool_)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.log(areas)
        down, over = (np.abs(np.diff(logarithms, axis=axis)) for axis in (0, 1))
    steep = ~np.all(down <= _SMOOTH, axis=0, keepdims=True)[0]
    between = steep[:-1] | steep[1:] | ~np.all(over <= _SMOOTH, axis=0, keepdims=True)[0]
    at = np.clip(np.searchsorted(across, columns, side="right") - 1, 0, len(across) - 2)
    return np.asarray(between[at])


def _degrees(wkt: str, x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Return longitudes and latitudes, not a number of points that are not on the Earth."""
    try:
        crs = CRS.from_wkt(wkt)
        placed = _placed(crs, np.stack([x, y]))
    except (CRSError, CPLE_BaseError, RasterioError, ValueError):
        return None  # a local system, or another planet's
    longitude, latitude = np.where(np.isfinite(placed).all(axis=0), placed, np.nan)
    return longitude, latitude


def _placed(crs: CRS, points: Floats) -> Floats:
    """Transform points (2, n); where one of many cannot be, halves are tried."""
    try:
        return np.array(transform(crs, "EPSG:4326", *points.tolist()), np.float64)
    except CPLE_AppDefinedError:  # a point outside of the projection
        count = points.shape[1]
        if count == 1:
            return np.full((2, 1), np.nan)
        halves = (points[:, : count // 2], points[:, count // 2 :])
        return np.concatenate([_placed(crs, half) for half in halves], axis=1)


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
