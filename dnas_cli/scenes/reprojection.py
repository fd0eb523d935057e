"""Coordinates of vector layers brought into another coordinate reference system, by pyproj."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError


def transformer_between(source: Any, target: Any, path: str | Path) -> Any:
    """Return pyproj's transformer of x and y from one coordinate reference system to another.

    Args:
        source: A system in any form that pyproj knows.
        target: Another one.
        path: What has the first, for the message.

    Raises:
        DataError: There is none: a local system is at no place on the Earth.
    """
    import pyproj

    try:
        return pyproj.Transformer.from_crs(source, target, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise DataError(
            f"{path}: no way is known from its coordinate reference system into the other one.",
            "Bring both into one system (`ogr2ogr -t_srs`, `gdalwarp -t_srs`), or mend the system "
            "that is wrong.",
        ) from error


def in_system(geometries: npt.NDArray[np.object_], transformer: Any) -> npt.NDArray[np.object_]:
    """Return geometries in another coordinate reference system, by a transformer of pyproj."""
    import shapely

    placed: npt.NDArray[np.object_] = shapely.transform(
        geometries, lambda points: np.column_stack(transformer.transform(*points.T))
    )
    return placed
