"""Labels laid over their scene: by place where both have one, else pixel on pixel.

A label on another grid, extent or CRS is warped to the scene's grid by its nearest pixel; what it
does not cover has no label. Features are burnt into the grid. Of several labels the first that says
something counts, and an area of interest says where labels are complete.
"""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling
from rasterio.errors import CRSError, RasterioError
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.georeference import Georeference, georeference_of, moved
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.labels import LabelRaster, open_label
from dnas_cli.scenes.on_grid import Grid, NoOverlapError, OnGrid, crs_of
from dnas_cli.scenes.raster import OpenFile, Raster, StoredGrid, Window
from dnas_cli.scenes.vector_encoding import VectorEncoding
from dnas_cli.scenes.vector_files import is_vector
from dnas_cli.scenes.vector_labels import VectorLabel

_SAME = 0.1  # of a pixel; grids that differ by less are one
_ELSEWHERE = (
    "lies on another grid than its image and is placed by its georeference, nearest pixel "
    "(labels_as_is=True pairs pixel by pixel)"
)


@dataclass(frozen=True)
class LabelFiles:
    """The labels of a scene.

    Attributes:
        paths: Rasters or vector layers; of two that label a pixel the first counts.
        encoding: How they say which class a pixel has.
        aoi: A vector layer; outside of its polygons nothing is labelled.
        as_is: Pair label and scene pixel by pixel, wherever they say they lie.
    """

    paths: tuple[Path, ...]
    encoding: LabelEncoding
    aoi: Path | None = None
    as_is: bool = False

    def open_over(self, scene: Raster) -> "PlacedLabels":
        """Open the labels on the grid of a scene.

        Raises:
            DataError: One cannot be opened, or does not lie where the scene lies.
        """
        with ExitStack() as stack:
            parts: list[LabelRaster | VectorLabel] = []
            for path in self.paths:
                try:
                    part = _placed(path, self, scene)
                    stack.callback(part.close)
                    parts.append(part)
                except NoOverlapError:
                    if len(self.paths) == 1:
                        raise
            if not parts:
                raise NoOverlapError(f"{self.paths[0]}: lies elsewhere than {scene.path}.")
            aoi = None
            if self.aoi is not None:
                grid = (scene.georeference, scene.height, scene.width)
                aoi = VectorLabel(self.aoi, VectorEncoding(), (), *grid)
            return PlacedLabels(parts, self.encoding, aoi, stack.pop_all())
        raise AssertionError  # an exit stack passes errors on


class PlacedLabels(OpenFile):
    """Open labels of a scene on its grid.

    Attributes:
        path: The first of the files.
        encoding: How the files say which class a pixel has.
        notes: What a user should know of the files, in the same words for every file of a kind.
    """

    def __init__(
        self,
        parts: list[LabelRaster | VectorLabel],
        encoding: LabelEncoding,
        aoi: VectorLabel | None,
        stack: ExitStack,
    ) -> None:
        self._parts, self._aoi, self._stack = parts, aoi, stack
        self.path, self.height, self.width = parts[0].path, parts[0].height, parts[0].width
        grids = [part.encoding for part in parts if isinstance(part, LabelRaster)]
        self.encoding = grids[0] if grids else encoding
        self.notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))

    def close(self) -> None:
        """Close all files."""
        self._stack.close()

    def read(self, window: Window) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read class indices (h, w) with 255 where there is no label, and unknown pixels (h, w).

        Raises:
            DataError: A file is damaged.
        """
        indices, unknown = self._parts[0].read(window)
        for part in self._parts[1:]:
            more, odd = part.read(window)
            indices = np.where(indices == IGNORE, more, indices)
            unknown = (unknown | odd) & (indices == IGNORE)
        if self._aoi is not None:
            outside = ~self._aoi.covers(window)
            indices[outside] = IGNORE
            unknown = unknown & ~outside
        return indices, unknown

    def unknown_values(self) -> str:
        """Name the most frequent colours or values that are no class."""
        return ", ".join(filter(None, (part.unknown_values() for part in self._parts)))


def _placed(path: Path, files: LabelFiles, scene: Raster) -> LabelRaster | VectorLabel:
    if is_vector(path):
        names = [item.name for item in files.encoding.classes]
        vector = files.encoding.vector or VectorEncoding(class_field="class")
        grid = (scene.georeference, scene.height, scene.width)
        layer = VectorLabel(path, vector, names, *grid)
        if files.aoi is None:  # which says that labels are complete where no feature is
            layer.refuse_elsewhere(scene.path)
        return layer
    label = open_label(path, files.encoding)
    try:
        stored = scene.stored
        own = None if files.as_is else _comparable(label, stored)
        if own is None:
            refuse_other_size(label, stored)
            if not files.as_is and (note := _doubtful_pairing(label, stored.georeference)):
                label = LabelRaster(label.path, label.dataset, label.encoding, (note,))
            own = stored.georeference
        is_own_grid = _same_grid(label, own, stored)
        if is_own_grid and not scene.is_resampled:
            return label
        return _warped(label, own, scene, is_own_grid)
    except BaseException:
        label.close()
        raise


def refuse_other_size(label: LabelRaster, scene: StoredGrid) -> None:
    """Refuse a label that does not lie pixel on pixel over its scene.

    Raises:
        DataError: The sizes differ.
    """
    if (scene.height, scene.width) != (label.height, label.width):
        raise DataError(
            f"{label.path}: has {label.width} x {label.height} pixels, but its image has "
            f"{scene.width} x {scene.height}."
        )


def refuse_other_grid(label: LabelRaster, scene: StoredGrid) -> None:
    """Refuse a label that says that it lies on another grid than its image.

    Raises:
        DataError: It does.
    """
    own = _comparable(label, scene)
    if own is not None and not _same_grid(label, own, scene):
        raise DataError(
            f"{label.path}: lies on another grid than its image; tiles of lists are not warped.",
            "Cut the scenes themselves, or give labels_as_is=True if the georeference is wrong.",
        )


def _comparable(label: LabelRaster, scene: StoredGrid) -> Georeference | None:
    """Return where a label lies by the CRS of its scene; None where one of them lies nowhere.

    A world file says no CRS; it means that of the other side.
    """
    own, place = georeference_of(label.dataset), scene.georeference
    if own.transform is None or place.transform is None:
        return None
    if (own.crs_wkt is None) == (place.crs_wkt is None):
        return own
    counts_pixels = [
        side.crs_wkt is None and side.transform in ((1, 0, 0, 0, -1, 0), (1, 0, 0, 0, -1, height))
        for side, height in ((own, label.height), (place, scene.height))
    ]
    return None if any(counts_pixels) else replace(own, crs_wkt=place.crs_wkt)


def _doubtful_pairing(label: LabelRaster, scene: Georeference) -> str:
    """Say what speaks against pairing by pixel; empty if nothing does."""
    own = georeference_of(label.dataset)
    by_points = bool(own.gcps) or bool(scene.gcps)
    if not by_points or not (own.gcps or own.transform) or not (scene.gcps or scene.transform):
        return ""
    places = [[(p.row, p.col, p.x, p.y) for p in side.gcps] for side in (own, scene)]
    if places[0] == places[1]:
        return ""
    return (
        "and its image have different ground control points, or only one has any; they are paired "
        "pixel by pixel"
    )


def _same_grid(label: LabelRaster, own: Georeference, scene: StoredGrid) -> bool:
    """Whether two grids have the same size, and corners within a tenth of a pixel."""
    if (label.height, label.width) != (scene.height, scene.width):
        return False
    if own == scene.georeference:
        return True
    assert own.transform is not None
    assert scene.georeference.transform is not None
    if crs_of(own.crs_wkt) != crs_of(scene.georeference.crs_wkt):
        return False
    corners = np.array([(x, y) for x in (0, label.width) for y in (0, label.height)], np.float64)
    placed = moved(corners, Affine(*own.transform))
    back = moved(placed, ~Affine(*scene.georeference.transform))
    return bool((np.abs(back - corners) <= _SAME).all())


def _warped(
    label: LabelRaster, own: Georeference, scene: Raster, is_resampled: bool
) -> LabelRaster:
    """Return a label on the grid of a scene, which may be resampled from that of the label.

    Raises:
        DataError: They do not overlap, or no way leads from one CRS to the other.
    """
    _refuse_elsewhere(label, own, scene)
    place = scene.georeference
    assert place.transform is not None
    assert own.transform is not None
    grid = Grid(place.crs_wkt, place.transform, scene.height, scene.width)
    try:
        source = Grid(own.crs_wkt, own.transform, label.height, label.width)
        covered = OnGrid(label.dataset, grid, Resampling.nearest, source)
    except (RasterioError, CRSError, ValueError) as error:
        raise DataError(f"{label.path}: cannot be laid over {scene.path} ({error}).") from error
    return LabelRaster(label.path, covered, label.encoding, () if is_resampled else (_ELSEWHERE,))


def _refuse_elsewhere(label: LabelRaster, own: Georeference, scene: Raster) -> None:
    try:
        left, bottom, right, top = transform_bounds(
            crs_of(scene.georeference.crs_wkt),
            crs_of(own.crs_wkt),
            *_box(scene.georeference, scene),
            densify_pts=21,
        )
    except (RasterioError, CRSError, ValueError) as error:
        raise DataError(f"{label.path}: cannot be laid over {scene.path} ({error}).") from error
    x0, y0, x1, y1 = _box(own, label)
    if not (left < x1 and x0 < right and bottom < y1 and y0 < top):
        raise NoOverlapError(
            f"{label.path}: lies elsewhere than its image {scene.path}; they do not overlap.",
            "Give the label of this image, or labels_as_is=True if its georeference is wrong.",
        )


def _box(place: Georeference, raster: Raster | LabelRaster) -> tuple[float, float, float, float]:
    assert place.transform is not None
    corners = np.array([(x, y) for x in (0, raster.width) for y in (0, raster.height)], np.float64)
    x, y = moved(corners, Affine(*place.transform)).T.tolist()
    return min(x), min(y), max(x), max(y)
