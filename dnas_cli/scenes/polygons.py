"""Maps as polygons: one per patch of a class, in a GeoPackage or a GeoJSON file.

Needs shapely and pyogrio (and pyproj for maps in degrees), the extra `dnas[gis]`.
"""

import importlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.transform import Affine

from dnas_cli.console import logger, progress
from dnas_cli.errors import DataError, DnasError, UsageError
from dnas_cli.scenes.georeference import Georeference, is_in_degrees, metres_per_unit, moved
from dnas_cli.scenes.ground import ground_resolution
from dnas_cli.scenes.layer_files import (
    SUFFIXES,
    explained,
    layer_name,
    new_layer_file,
    plain_path,
    refuse_incomplete,
)
from dnas_cli.scenes.opening import opened
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.patches import Measure, patches
from dnas_cli.scenes.qgis_style import add_layer_style
from dnas_cli.scenes.reprojection import in_system, transformer_between

_GEOJSON = {"RFC7946": "YES"}
_BATCH = 4096  # polygons that are copied at a time


@dataclass(frozen=True)
class PolygonOptions:
    """How a map's patches become polygons.

    Attributes:
        min_area: Patches smaller than this are left out; square metres, or pixels without a CRS.
        simplify: Tolerance in units of the CRS. Shared borders stay shared: no gaps, no overlaps.
        in_metres: The tolerance is in metres on the ground.
    """

    min_area: float = 0.0
    simplify: float = 0.0
    in_metres: bool = False

    def __post_init__(self) -> None:
        if not self.min_area >= 0 or not self.simplify >= 0:
            raise UsageError("min_area=... and simplify=... must not be negative.")


def require_libraries() -> None:
    """Check that the libraries for polygons are installed, before hours of work.

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
    """Refuse polygons without a position.

    Raises:
        DataError: The scene cannot be transformed to WGS84, which GeoJSON needs, or it has only
            ground control points.
    """
    if georeference.gcps and georeference.transform is None:
        raise DataError(
            f"{scene}: has ground control points but no transform, so polygons have no position.",
            "Warp the scene first (`gdalwarp` or `rio warp`), or ask for a .tif.",
        )
    if target.suffix.lower() != ".geojson":
        return
    if not georeference.has_map_coordinates:
        raise DataError(
            f"{scene}: has no coordinate reference system; GeoJSON is always in WGS84.",
            "Ask for a .gpkg, whose polygons are in pixels then.",
        )
    try:
        transformer_between(georeference.crs_wkt, "OGC:CRS84", scene)
    except DataError as error:
        raise DataError(
            f"{scene}: its CRS cannot be transformed to WGS84, which GeoJSON needs.",
            "Ask for a .gpkg, which keeps the system of the scene.",
        ) from error


def write_polygons(
    draft: Path,
    targets: Sequence[Path],
    classes: Sequence[LandClass],
    georeference: Georeference,
    options: PolygonOptions,
    tags: Mapping[str, str],
) -> int:
    """Write the patches of a map as polygons.

    Columns: `class` (name), `index`, and `area_m2` (geodesic) or `area_px` where the map has no
    CRS. A GeoPackage keeps the CRS of the map; GeoJSON is in WGS84 (RFC 7946). Pixels that touch
    only at a corner belong to different patches. Patches are written as they end, so memory does
    not grow with their number.

    Args:
        draft: The map as a GeoTIFF of class indices and a declared nodata value; its folder also
            takes the unfinished polygons.
        targets: The files, `.gpkg` or `.geojson`; each replaced atomically.
        classes: The classes; position is the index.
        options: Which polygons are left out or simplified.
        tags: Metadata of the layer.

    Returns:
        The number of polygons.
    """
    require_libraries()
    for path in draft.parent.glob("polygons.gpkg*"):  # of a killed command, with its journal
        path.unlink()
    layer = _Layer(draft.with_name("polygons.gpkg"), classes, georeference, options.min_area)
    measure: Measure | None = None
    if options.min_area and options.simplify:  # before simplification

        def measure(outlines: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
            return _areas(placed(outlines, georeference), georeference)

    cut = 0
    with (
        opened(draft) as raster,
        progress("polygons", raster.height, "row") as advance,
    ):
        tolerance = tolerance_in_pixels(options, georeference, raster.height, raster.width)
        for found in patches(raster, tolerance, measure):
            kept = ~(found.areas < options.min_area)  # an area that is not known as well
            layer.append(found.outlines[kept], found.indices[kept])
            cut += found.cut
            advance(found.rows)
    if cut:
        logger.warning(
            "%s: patches too long for memory were cut, %d times; areas are those of the parts",
            targets[0], cut,
        )  # fmt: skip
    for target in targets:
        layer.copy_to(target, tags)
    layer.path.unlink()
    return layer.count


def tolerance_of(length: float | str) -> tuple[float, bool]:
    """Return a length, and whether it is in metres: `10m`, or a number in units of the CRS.

    Raises:
        UsageError: It is no length.
    """
    try:
        text = str(length)
        return float(text.removesuffix("m")), text.endswith("m")
    except ValueError as error:
        raise UsageError(
            f"simplify={length}: is not a length.", "Write 10m, or a number in CRS units."
        ) from error


def tolerance_in_pixels(
    options: PolygonOptions, georeference: Georeference, height: int, width: int
) -> float:
    """Bring a tolerance to pixels: Visvalingam's rule is one of areas, which keep their ratios.

    Raises:
        DataError: It is in metres and the map has no place on the Earth, or in degrees and makes
            no sense there.
    """
    if not options.simplify:
        return 0.0
    if options.in_metres:
        resolution = ground_resolution(georeference, height, width)
        if resolution is None:
            raise DataError(
                f"simplify={options.simplify:g}m: the scene has no CRS.",
                "Give the tolerance in pixels, without the m.",
            )
        return options.simplify / resolution
    if georeference.transform is None:
        return options.simplify
    pixels = options.simplify / math.sqrt(abs(Affine(*georeference.transform).determinant))
    if is_in_degrees(georeference) and pixels > max(height, width) / 10:
        raise DataError(
            f"simplify={options.simplify:g}: the scene is in degrees, so that is "
            f"{pixels:,.0f} pixels.",
            f"Give metres: simplify={options.simplify:g}m",
        )
    return float(pixels)


def placed(
    outlines: npt.NDArray[np.object_], georeference: Georeference
) -> npt.NDArray[np.object_]:
    """Transform outlines from pixels to map coordinates, if the map has a transform."""
    import shapely

    if georeference.transform is None:
        return outlines
    to_map = Affine(*georeference.transform)
    found: npt.NDArray[np.object_] = shapely.transform(
        outlines, lambda points: moved(points, to_map)
    )
    return found


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
    import pyproj

    crs = pyproj.CRS.from_wkt(georeference.crs_wkt)
    geod, degrees = crs.get_geod(), crs.geodetic_crs
    if geod is None or degrees is None:  # a local system
        return plain * metres_per_unit(georeference) ** 2
    if not crs.is_geographic:
        to_degrees = pyproj.Transformer.from_crs(crs, degrees, always_xy=True)
        geometries = in_system(geometries, to_degrees)
    return np.array([abs(geod.geometry_area_perimeter(item)[0]) for item in geometries])


class _Layer:
    """The polygons so far: a GeoPackage that grows."""

    def __init__(
        self,
        path: Path,
        classes: Sequence[LandClass],
        georeference: Georeference,
        min_area: float,
    ) -> None:
        self.path, self._georeference, self._min_area = path, georeference, min_area
        self._classes = classes
        self._names = np.array([item.name for item in classes], np.object_)
        self.count = self._vertices = 0
        self._write(np.empty(0, np.object_), np.empty(0, np.int32), append=False)

    def append(self, outlines: npt.NDArray[np.object_], indices: npt.NDArray[np.int32]) -> None:
        """Add outlines in pixels, except small ones."""
        if len(outlines):
            self._write(placed(outlines, self._georeference), indices, append=True)

    def _write(
        self, geometries: npt.NDArray[np.object_], indices: npt.NDArray[np.int32], append: bool
    ) -> None:
        import pyogrio.raw
        import shapely

        unit = "area_px" if self._georeference.crs_wkt is None else "area_m2"
        areas = _areas(geometries, self._georeference)
        kept = ~(areas < self._min_area)  # simplification may shrink some
        geometries, indices, areas = geometries[kept], indices[kept], areas[kept]
        self.count += len(geometries)
        self._vertices += int(shapely.get_num_coordinates(geometries).sum())
        with explained(self.path), plain_path(self.path) as path:
            pyogrio.raw.write(
                str(path),
                geometry=shapely.to_wkb(geometries),
                field_data=[self._names[indices], indices, np.round(areas, 3)],
                fields=np.array(["class", "index", unit], np.object_),
                geometry_type="Polygon",
                crs=self._georeference.crs_wkt,
                driver="GPKG",
                layer="map",
                append=append,
                # A growing index costs more; the copies get theirs at once.
                layer_options={} if append else {"SPATIAL_INDEX": "NO"},
            )

    def copy_to(self, target: Path, tags: Mapping[str, str]) -> None:
        """Write the polygons to a file."""
        import pyogrio.raw

        driver, layer = SUFFIXES[target.suffix.lower()], layer_name(target.stem)
        with new_layer_file(target) as written_to, plain_path(self.path) as collected:
            with pyogrio.raw.open_arrow(collected, layer="map", batch_size=_BATCH) as (
                meta,
                stream,
            ):
                pyogrio.raw.write_arrow(
                    stream,
                    str(written_to),
                    layer=layer,
                    driver=driver,
                    geometry_name=meta["geometry_name"],
                    geometry_type="Polygon",
                    crs=self._georeference.crs_wkt,
                    layer_metadata=dict(tags) if driver == "GPKG" else None,
                    layer_options=_GEOJSON | {"DESCRIPTION": json.dumps(dict(tags))}
                    if driver == "GeoJSON"
                    else {},
                )
            if driver == "GPKG":
                add_layer_style(written_to, layer, self._classes)
            crs = self._georeference.crs_wkt
            refuse_incomplete(target, written_to, layer, crs, self.count, self._vertices)
