"""Windows of scenes as polygons, in a GeoPackage or a GeoJSON file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.layer_files import SUFFIXES, layer_name, new_layer_file, refuse_incomplete
from dnas_cli.scenes.polygons import placed
from dnas_cli.scenes.raster import Window
from dnas_cli.scenes.reprojection import in_system, transformer_between

_DEGREES = "EPSG:4326"


def write_windows(
    target: Path,
    windows: Sequence[tuple[Window, Georeference]],
    columns: Mapping[str, Sequence[Any]],
) -> None:
    """Write windows as polygons in the CRS of their scenes, or in WGS84 where scenes differ.

    Args:
        target: The file, `.gpkg` or `.geojson`; replaced atomically.
        windows: Each with the place of its scene, which has map coordinates.
        columns: Attributes by name, a value per window; None is no value.
    """
    import pyogrio.raw
    import shapely

    systems = {place.crs_wkt for _, place in windows}
    crs = next(iter(systems)) if len(systems) == 1 else _DEGREES
    outlines = []
    for window, place in windows:
        right, bottom = window.column + window.width, window.row + window.height
        box = shapely.box([window.column], [window.row], [right], [bottom])
        outline = placed(box, place)
        if crs != place.crs_wkt:
            outline = in_system(outline, transformer_between(place.crs_wkt, crs, target))
        outlines.append(outline[0])
    driver, layer = SUFFIXES[target.suffix.lower()], layer_name(target.stem)
    with new_layer_file(target) as written_to:
        pyogrio.raw.write(
            str(written_to),
            geometry=shapely.to_wkb(outlines),
            field_data=[_values(values) for values in columns.values()],
            fields=np.array(list(columns), np.object_),
            geometry_type="Polygon",
            crs=crs,
            driver=driver,
            layer=layer,
            layer_options={"RFC7946": "YES"} if driver == "GeoJSON" else {},
        )
        refuse_incomplete(target, written_to, layer, crs, len(outlines), 5 * len(outlines))


def _values(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return numbers as such, None among them as NaN, and names as text that a file can hold."""
    if isinstance(values[0], str):
        return np.array([value.encode(errors="replace").decode() for value in values], np.object_)
    kind = np.int64 if all(isinstance(value, int) for value in values) else np.float64
    return np.array(values, kind)
