"""Zones over a map: polygons with names."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.transform import Affine

from dnas_cli.errors import DataError
from dnas_cli.scenes.clip import Clip, read_outlines
from dnas_cli.scenes.georeference import Georeference, moved
from dnas_cli.scenes.raster import Window


@dataclass(frozen=True)
class Zone:
    """A polygon, or several, with a name.

    Attributes:
        outline: In the coordinates of the map.
        bounds: First row, first column, end of rows, end of columns that it may cover.
    """

    name: str
    outline: Clip
    bounds: tuple[float, float, float, float]

    def within(self, window: Window) -> Window | None:
        """Return the columns of some rows that the zone may cover; None for none."""
        top, left, bottom, right = self.bounds
        if bottom <= window.row or top >= window.row + window.height:
            return None
        first = max(math.floor(left), window.column)
        end = min(math.ceil(right), window.column + window.width)
        return Window(window.row, first, window.height, end - first) if end > first else None


def read_zones(
    path: Path, field: str | None, scene: str, georeference: Georeference
) -> tuple[Zone, ...]:
    """Read polygons and their names.

    Args:
        path: A GeoPackage, GeoJSON, Shapefile or FlatGeobuf; its first layer.
        field: The attribute of the names; `name`, else the first text, else the number of the
            feature when missing.
        scene: Name of the scene, for messages.
        georeference: Of the scene.

    Raises:
        DataError: There are no polygons, they have no such attribute, or no place.
        DnasError: A library is missing.
    """
    import shapely
    from shapely.geometry import mapping

    outlines, attributes = read_outlines(path, scene, georeference)
    texts = [name for name, values in attributes.items() if values.dtype == np.object_]
    named = [name for name in attributes if name.lower() == "name"]
    if field is not None and field not in attributes:
        raise DataError(
            f"{path}: has no attribute {field!r}; it has {', '.join(attributes) or 'none'}."
        )
    chosen = field or next(iter([*named, *texts]), None)
    names = range(1, len(outlines) + 1) if chosen is None else attributes[chosen]
    assert georeference.transform is not None
    to_pixels = ~Affine(*georeference.transform)
    zones = []
    for name, outline in zip(names, outlines, strict=True):
        x, y = moved(shapely.get_coordinates(outline), to_pixels).T
        bounds = (float(y.min()), float(x.min()), float(y.max()), float(x.max()))
        if not all(map(math.isfinite, bounds)):
            raise DataError(f"{path}: {name!r} lies where the CRS of {scene} ends.")
        zones.append(Zone(str(name), Clip((mapping(outline),), georeference), bounds))
    return tuple(zones)
