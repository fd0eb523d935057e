"""Maps as polygons: one per patch of a class, in a GeoPackage or a GeoJSON file.

Needs shapely and pyogrio (and pyproj for maps in degrees), the extra `dnas[gis]`.
"""

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.features
from rasterio.transform import Affine

from dnas_cli.errors import DataError, DnasError, UsageError
from dnas_cli.files import atomic_path
from dnas_cli.scenes.georeference import metres_per_unit
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Georeference, without_georeference

SUFFIXES = {".gpkg": "GPKG", ".geojson": "GeoJSON"}


@dataclass(frozen=True)
class PolygonOptions:
    """What becomes of a map's patches.

    Attributes:
        min_area: Patches smaller than this are left out; square metres, or pixels without a CRS.
        simplify: Tolerance in units of the CRS. Shared borders stay shared: no gaps, no overlaps.
    """

    min_area: float = 0.0
    simplify: float = 0.0

    def __post_init__(self) -> None:
        if not self.min_area >= 0 or not self.simplify >= 0:
            raise UsageError("--min-area and --simplify must not be negative.")


def require_libraries() -> None:
    """Check that the libraries for polygons are there, before hours of work.

    Raises:
        DnasError: One of them is missing.
    """
    for name in ("shapely", "pyogrio", "pyproj"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise DnasError(
                f"Polygons need {name}, which is not installed.", "pip install 'dnas[gis]'"
            ) from error


def check_place(scene: str, target: Path, georeference: Georeference) -> None:
    """Refuse polygons that could not be placed.

    Raises:
        DataError: GeoJSON has to be in WGS84 and the scene cannot be brought there, or the scene
            has ground control points only.
    """
    if georeference.gcps and georeference.transform is None:
        raise DataError(
            f"{scene}: has ground control points but no transform, so polygons have no place.",
            "Warp the scene first (`gdalwarp` or `rio warp`), or ask for a .tif.",
        )
    if target.suffix.lower() != ".geojson":
        return
    if not georeference.has_map_coordinates:
        raise DataError(
            f"{scene}: has no coordinate reference system; GeoJSON is always in WGS84.",
            "Ask for a .gpkg: its polygons are in pixels then.",
        )
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        Transformer.from_crs(georeference.crs_wkt, "OGC:CRS84")
    except ProjError as error:
        raise DataError(
            f"{scene}: its coordinate reference system cannot be brought to WGS84, which GeoJSON "
            f"needs.",
            "Ask for a .gpkg, which keeps the system of the scene.",
        ) from error


def write_polygons(
    draft: Path,
    target: Path,
    classes: Sequence[LandClass],
    georeference: Georeference,
    options: PolygonOptions,
) -> int:
    """Write the patches of a map as polygons.

    Columns: `class` (name), `index`, and `area_m2` (geodesic where the CRS is in degrees or
    Mercator) or `area_px` where the map has no CRS. A GeoPackage keeps the CRS of the map; GeoJSON
    is in WGS84, as its RFC 7946 has it. Pixels touching by a corner only belong to different
    patches.

    Args:
        draft: The map as a GeoTIFF of class indices and a declared nodata value.
        target: The file, `.gpkg` or `.geojson`; replaced atomically.
        classes: The classes; position is the index.
        georeference: Where the map lies.
        options: What is left out or simplified.

    Returns:
        The number of polygons.
    """
    require_libraries()
    import shapely

    outlines, indices = _patches(draft)
    areas = _areas(_placed(outlines, georeference), georeference)
    if options.min_area:
        kept = areas >= options.min_area
        outlines, indices, areas = outlines[kept], indices[kept], areas[kept]
    if options.simplify:
        outlines = _with_all_corners(outlines)
    geometries = _placed(outlines, georeference)
    if options.simplify:
        geometries = shapely.coverage_simplify(geometries, options.simplify)
        areas = _areas(geometries, georeference)
    _write(target, geometries, indices, areas, classes, georeference)
    return len(geometries)


def _patches(draft: Path) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int32]]:
    """Return the patches of a map as polygons in whole pixels, and their class indices."""
    import shapely
    from shapely.geometry import shape

    geometries, indices = [], []
    with without_georeference(), rasterio.open(draft) as raster:
        to_pixels = ~raster.transform
        # GDAL walks a band line by line; its polygons come in map coordinates.
        for geometry, value in rasterio.features.shapes(rasterio.band(raster, 1)):
            if value != raster.nodata:
                geometries.append(shape(geometry))
                indices.append(int(value))
    collected = np.empty(len(geometries), np.object_)
    collected[:] = geometries
    whole = shapely.transform(collected, lambda points: np.rint(_moved(points, to_pixels)))
    return whole, np.array(indices, np.int32)


def _with_all_corners(outlines: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Put a vertex on every pixel corner of outlines in pixels.

    An outline has vertices where it turns only. Where two others meet along one of its straight
    sides it has none, and simplified on its own that side would part from them.
    """
    import shapely

    dense = shapely.segmentize(outlines, 1.0)
    result: npt.NDArray[np.object_] = shapely.transform(dense, np.rint)
    return result


def _placed(
    outlines: npt.NDArray[np.object_], georeference: Georeference
) -> npt.NDArray[np.object_]:
    """Bring outlines from pixels to map coordinates, if there are any."""
    import shapely

    if georeference.transform is None:
        return outlines
    to_map = Affine(*georeference.transform)
    placed: npt.NDArray[np.object_] = shapely.transform(
        outlines, lambda points: _moved(points, to_map)
    )
    return placed


def _moved(points: npt.NDArray[np.float64], by: Affine) -> npt.NDArray[np.float64]:
    x, y = points[:, 0], points[:, 1]
    return np.column_stack([by.a * x + by.b * y + by.c, by.d * x + by.e * y + by.f])


def _areas(
    geometries: npt.NDArray[np.object_], georeference: Georeference
) -> npt.NDArray[np.float64]:
    """Return areas in square metres, or in pixels where there is no CRS."""
    import shapely

    plain: npt.NDArray[np.float64] = np.asarray(shapely.area(geometries), np.float64)
    if georeference.crs_wkt is None:
        if georeference.transform is None:
            return plain
        a, b, _, d, e, _ = georeference.transform
        return plain / abs(a * e - b * d)
    metres = metres_per_unit(georeference)
    if metres is not None:
        return plain * metres**2
    import pyproj

    crs = pyproj.CRS.from_wkt(georeference.crs_wkt)
    geod, degrees = crs.get_geod(), crs.geodetic_crs
    assert geod is not None  # a geographic system has an ellipsoid
    assert degrees is not None
    if not crs.is_geographic:
        geometries = _in_system(
            geometries, pyproj.Transformer.from_crs(crs, degrees, always_xy=True)
        )
    return np.array([abs(geod.geometry_area_perimeter(item)[0]) for item in geometries])


def _in_system(geometries: npt.NDArray[np.object_], transformer: Any) -> npt.NDArray[np.object_]:
    import shapely

    moved: npt.NDArray[np.object_] = shapely.transform(
        geometries, lambda points: np.column_stack(transformer.transform(*points.T))
    )
    return moved


def _write(
    target: Path,
    geometries: npt.NDArray[np.object_],
    indices: npt.NDArray[np.int32],
    areas: npt.NDArray[np.float64],
    classes: Sequence[LandClass],
    georeference: Georeference,
) -> None:
    import pyogrio
    import pyogrio.errors
    import pyogrio.raw
    import shapely

    names = np.array([item.name for item in classes], np.object_)
    driver = SUFFIXES[target.suffix.lower()]
    unit = "area_px" if georeference.crs_wkt is None else "area_m2"
    layer = {"RFC7946": "YES"} if driver == "GeoJSON" else {}
    with atomic_path(target) as temporary:
        temporary.unlink()  # GDAL would not create a GeoPackage in an empty file
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="'crs' was not provided")
                pyogrio.raw.write(
                    str(temporary),
                    geometry=shapely.to_wkb(geometries),
                    field_data=[names[indices], indices, np.round(areas, 3)],
                    fields=np.array(["class", "index", unit], np.object_),
                    geometry_type="Polygon",
                    crs=georeference.crs_wkt,
                    driver=driver,
                    layer=target.stem,
                    layer_options=layer,
                )
            written = pyogrio.read_info(temporary, force_feature_count=True)["features"]
            if written != len(geometries):
                raise DnasError(
                    f"{target}: was not written whole; the disk is full or failing.",
                    "Free the space or choose another place, and run the same command again.",
                )
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
            raise DnasError(f"{target}: cannot be written ({error}).") from error
