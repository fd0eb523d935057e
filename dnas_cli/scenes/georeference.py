"""Where a raster lies: read from a file, written into one, and the unit of its CRS."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.io import MemoryFile

from dnas_cli.errors import DataError


@dataclass(frozen=True)
class Georeference:
    """Where a raster lies, in every form a file may say it; `None` or empty where it does not.

    Attributes:
        crs_wkt: Coordinate reference system of the transform, as WKT.
        transform: Affine coefficients (a, b, c, d, e, f): x = a*column + b*row + c,
            y = d*column + e*row + f.
        gcps: Ground control points, as rasterio holds them.
        gcp_crs_wkt: Coordinate reference system of the ground control points.
        rpcs: Rational polynomial coefficients, as rasterio holds them.
    """

    crs_wkt: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    gcps: tuple[Any, ...] = ()
    gcp_crs_wkt: str | None = None
    rpcs: Any = None

    @property
    def has_map_coordinates(self) -> bool:
        """Whether a pixel has map coordinates by the transform and its CRS."""
        return self.crs_wkt is not None and self.transform is not None


def refuse_no_size(dataset: Any) -> None:
    """Refuse an open rasterio dataset whose pixels have no size, so that no place has a pixel.

    Raises:
        DataError: It is such a one.
    """
    transform = dataset.transform
    if not math.isfinite(transform.determinant) or transform.is_degenerate:
        raise DataError(
            f"{dataset.name}: its geotransform gives pixels no size.",
            "Mend it, or remove it: gdal_edit.py -unsetgt FILE",
        )


def georeference_of(dataset: Any) -> Georeference:
    """Return where an open rasterio dataset lies.

    Raises:
        DataError: Its pixels have no size.
    """
    refuse_no_size(dataset)
    gcps, gcp_crs = dataset.gcps
    transform = dataset.transform
    return Georeference(
        crs_wkt=dataset.crs.to_wkt() if dataset.crs else None,
        transform=None if transform.is_identity else tuple(transform)[:6],
        gcps=tuple(gcps),
        gcp_crs_wkt=gcp_crs.to_wkt() if gcps and gcp_crs else None,
        rpcs=dataset.rpcs,
    )


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
