"""The part of a scene that polygons cover: only that is mapped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.features import geometry_mask
from rasterio.transform import Affine

from dnas_cli.errors import DataError, brief
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.polygons import require_libraries
from dnas_cli.scenes.raster import Raster, Window
from dnas_cli.scenes.reprojection import in_system, transformer_between
from dnas_cli.scenes.tile_files import tile_georeference
from dnas_cli.scenes.vector_files import layers_of, read_layer


@dataclass(frozen=True)
class Clip:
    """Polygons in the coordinates of a scene.

    Attributes:
        shapes: The polygons, as GeoJSON has them.
        place: Of the scene; it has a transform.
    """

    shapes: tuple[Any, ...]
    place: Georeference

    def covers(self, window: Window) -> npt.NDArray[np.bool_]:
        """Return (h, w) which pixels have their centre in a polygon."""
        moved = tile_georeference(self.place, window).transform
        assert moved is not None
        inside: npt.NDArray[np.bool_] = geometry_mask(
            self.shapes, (window.height, window.width), Affine(*moved), invert=True
        )
        return inside


def read_clip(path: Path, scene: str, georeference: Georeference) -> Clip:
    """Read polygons and bring them to the coordinates of a scene.

    Args:
        path: A GeoPackage, GeoJSON, Shapefile or FlatGeobuf; its first layer.
        scene: Name of the scene, for messages.

    Raises:
        DataError: There are no polygons, or polygons or scene have no place.
        DnasError: A library is missing.
    """
    from shapely.geometry import mapping

    outlines, _ = read_outlines(path, scene, georeference)
    return Clip(tuple(map(mapping, outlines)), georeference)


def read_outlines(
    path: Path, scene: str, georeference: Georeference
) -> tuple[npt.NDArray[np.object_], dict[str, npt.NDArray[Any]]]:
    """Read polygons (n,) in the coordinates of a scene, and their attributes (n,) by name.

    Raises:
        DataError: There are no polygons, or polygons or scene have no place.
        DnasError: A library is missing.
    """
    require_libraries()
    import shapely

    if georeference.crs_wkt is None or georeference.transform is None:
        raise DataError(f"{scene}: has no place, so that no polygons can be laid over it.")
    meta, _, geometries, values = read_layer(path, layers_of(path)[0])
    try:
        outlines = shapely.from_wkb(geometries)
    except shapely.errors.ShapelyError as error:
        raise DataError(f"{path}: holds a damaged polygon ({brief(error)}).") from error
    polygons = np.isin(shapely.get_type_id(outlines), (3, 6)) & ~shapely.is_empty(outlines)
    if not polygons.any():
        raise DataError(f"{path}: holds no polygon.", "Give a layer of polygons.")
    if meta["crs"] is None:
        raise DataError(f"{path}: has no coordinate reference system.")
    transformer = transformer_between(meta["crs"], georeference.crs_wkt, path)
    names = [str(name) for name in meta["fields"]]
    attributes = {name: of[polygons] for name, of in zip(names, values, strict=True)}
    return in_system(outlines[polygons], transformer), attributes


def touches(clip: Clip, scene: Raster) -> bool:
    """Whether any pixel of a scene is covered, looked at a strip of rows at a time."""
    rows = max(1, (1 << 22) // scene.width)
    return any(
        clip.covers(Window(row, 0, min(rows, scene.height - row), scene.width)).any()
        for row in range(0, scene.height, rows)
    )
