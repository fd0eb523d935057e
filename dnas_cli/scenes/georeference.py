"""Where a raster lies: written into a file, and the unit of its CRS."""

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.io import MemoryFile

from dnas_cli.scenes.raster import Georeference


def is_in_degrees(georeference: Georeference) -> bool:
    """Whether map coordinates are longitude and latitude."""
    try:
        return bool(georeference.crs_wkt and CRS.from_wkt(georeference.crs_wkt).is_geographic)
    except CRSError:
        return False


def unit_name(georeference: Georeference) -> str | None:
    """Return the unit of the map coordinates, such as `metre` or `degree`; none without a CRS."""
    if georeference.crs_wkt is None:
        return None
    try:
        crs = CRS.from_wkt(georeference.crs_wkt)
        return "degree" if crs.is_geographic else str(crs.linear_units)
    except CRSError:
        return None


def metres_per_unit(georeference: Georeference) -> float:
    """Return the metres in one unit of a local system; metres by convention where it says none."""
    try:
        factor = float(CRS.from_wkt(georeference.crs_wkt or "").linear_units_factor[1])
    except CRSError:
        return 1.0
    return factor if math.isfinite(factor) and factor > 0 else 1.0


def set_georeference(raster: Any, georeference: Georeference) -> None:
    """Write where a raster lies into an open one."""
    if georeference.transform is not None:
        raster.transform = Affine(*georeference.transform)
    if georeference.crs_wkt is not None:
        raster.crs = CRS.from_wkt(georeference.crs_wkt)
    if georeference.gcps and georeference.transform is None:  # a GeoTIFF holds one or the other
        wkt = georeference.gcp_crs_wkt
        raster.gcps = (list(georeference.gcps), CRS.from_wkt(wkt) if wkt else CRS())
    if georeference.rpcs is not None:
        raster.rpcs = georeference.rpcs


def moved(points: npt.NDArray[np.float64], by: Affine) -> npt.NDArray[np.float64]:
    """Return points (n, 2) moved by an affine transform."""
    x, y = points[:, 0], points[:, 1]
    return np.column_stack([by.a * x + by.b * y + by.c, by.d * x + by.e * y + by.f])


@cache
def geotiff_holds(wkt: str) -> bool:
    """Whether a GeoTIFF gives a CRS back as it was; the format does not know every one."""
    try:
        wanted = CRS.from_wkt(wkt)
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), MemoryFile() as memory:
            place = {"crs": wanted, "transform": Affine(2, 0, 9, 0, -2, 9)}
            with memory.open(driver="GTiff", height=1, width=1, count=1, dtype="uint8", **place):
                pass
            with memory.open() as raster:
                found = raster.crs
                return found == wanted or bool(found and found.to_proj4() == wanted.to_proj4())
    except (CRSError, RasterioError):
        return False
