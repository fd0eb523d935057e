"""Maps of resampled scenes, on the grid of the scene's own file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnas_cli.mapping.open_scene import SceneReading, open_scene
from dnas_cli.metrics import IGNORE
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.raster import Raster, Window
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.scene_files import SceneFiles

Regrid = Callable[[Rows], Rows]


@contextmanager
def stored_scene(
    facts: ModelFacts, path: str | Path | SceneFiles, reading: SceneReading, scene: Raster
) -> Iterator[Raster]:
    """Open a scene that is open already on the grid of its file; itself if it is on that one."""
    if not scene.is_resampled:
        yield scene
        return
    as_stored = replace(reading, resample=False)
    with open_scene(facts, path, as_stored, lambda text: None) as stored:  # it has been said
        yield stored


def to_grid_of(stored: Raster) -> Regrid:
    """Return what brings rows of a map to the grid of a scene's file: each pixel the nearest one.

    A pixel holds no data where the map or the file has none.
    """

    def regrid(rows: Rows) -> Rows:
        if (rows.height, rows.width) == (stored.height, stored.width):
            return rows
        own_rows, own_columns = (
            _nearest(stored.height, rows.height), _nearest(stored.width, rows.width),
        )  # fmt: skip

        def read(start: int, stop: int) -> npt.NDArray[np.uint8]:
            wanted = own_rows[start:stop]
            found = rows.read(int(wanted[0]), int(wanted[-1]) + 1)
            values = found[:, wanted - wanted[0]][:, :, own_columns]
            values[:, ~stored.valid(Window(start, 0, stop - start, stored.width))] = IGNORE
            return np.ascontiguousarray(values)

        return Rows(rows.count, stored.height, stored.width, read)

    return regrid


def _nearest(count: int, others: int) -> npt.NDArray[np.intp]:
    """Return the pixel of `others` in which each of `count` pixels of the same side has its centre.

    5 pixels over 2: 0 0 1 1 1.
    """
    return ((np.arange(count) * 2 + 1) * others // (2 * count)).astype(np.intp)
