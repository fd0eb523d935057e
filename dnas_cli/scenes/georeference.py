"""Lengths and areas of a raster on the ground."""

import math

from rasterio.crs import CRS
from rasterio.errors import CRSError

from dnas_cli.scenes.raster import Georeference


def metres_per_unit(georeference: Georeference) -> float | None:
    """Return the metres in one unit of the CRS; None if it varies or is unknown.

    It varies in degrees and in Mercator (web maps): a metre of the map is 0.5 m on the ground at
    60 degrees.
    """
    if georeference.crs_wkt is None or 'PROJECTION["Mercator' in georeference.crs_wkt:
        return None
    try:
        crs = CRS.from_wkt(georeference.crs_wkt)
        factor = 1.0 if crs.is_geographic else float(crs.linear_units_factor[1])
    except CRSError:
        return 1.0  # a local system without a unit: metres by convention
    if crs.is_geographic:
        return None
    return factor if math.isfinite(factor) and factor > 0 else 1.0


def pixel_area(georeference: Georeference) -> float | None:
    """Return the square metres of a pixel; None if they vary or are unknown."""
    metres = metres_per_unit(georeference)
    if metres is None or georeference.transform is None:
        return None
    a, b, _, d, e, _ = georeference.transform
    return abs(a * e - b * d) * metres**2
