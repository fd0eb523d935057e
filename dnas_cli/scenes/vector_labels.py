"""Polygons, lines and points as labels, burnt into the grid of a scene a window at a time.

Layers are read through their spatial index, only what a window shows. Needs shapely, pyogrio and
pyproj, the extra `dnas[gis]`.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.features import rasterize
from rasterio.transform import Affine

from dnas_cli.errors import DataError
from dnas_cli.files import nfc
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.georeference import Georeference, moved
from dnas_cli.scenes.ground import pixel_ground
from dnas_cli.scenes.on_grid import NoOverlapError
from dnas_cli.scenes.polygons import require_libraries
from dnas_cli.scenes.raster import OpenFile, Window
from dnas_cli.scenes.reprojection import in_system, transformer_between
from dnas_cli.scenes.tile_files import tile_georeference
from dnas_cli.scenes.vector_encoding import VectorEncoding
from dnas_cli.scenes.vector_files import layer_info, layers_of, read_layer

ORDERS = ("area", "classes")  # in which features are burnt, beside those by an attribute

_UNKNOWN = 254  # burnt for a class field that names no class


class VectorLabel(OpenFile):
    """A layer of features over a scene, read as class indices; use it as a context manager.

    Raises:
        DataError: The layer cannot be read or placed, or has not the attributes.
    """

    def __init__(
        self,
        path: Path,
        encoding: VectorEncoding,
        class_names: Sequence[str],
        place: Georeference,
        height: int,
        width: int,
    ) -> None:
        require_libraries()
        import pyproj

        if not place.has_map_coordinates or place.transform is None:
            raise DataError(
                f"{path}: holds features with a place, but the image has none.",
                "Give the image a CRS and a transform, or a label raster.",
            )
        self.path, self.height, self.width = str(path), height, width
        self._file = path
        self._encoding, self._place = encoding, place
        self._transform = Affine(*place.transform)
        self._layers = layers_of(path)
        self._layer = encoding.layer or self._layers[0]
        info = layer_info(path, self._layer, force_feature_count=True)
        fields = [str(field) for field in info["fields"]]
        by = (encoding.order or "").removeprefix("-")
        self._order = None if by in ("", *ORDERS) else by
        self._columns = [item for item in (encoding.class_field, self._order) if item]
        self._is_empty = not info["features"]  # which may have no attributes, either
        for name in self._columns:
            if name not in fields and not self._is_empty:
                raise DataError(f"{path}: has no attribute {name!r}; it has {', '.join(fields)}.")
        known = dict(encoding.values) or {name: i for i, name in enumerate(class_names)}
        self._class_of = {nfc(str(text)): index for text, index in known.items()}
        self._unlisted = IGNORE if encoding.values else _UNKNOWN
        self._unlisted_texts: set[str] = set()
        self._says_crs = bool(info["crs"])
        crs = info["crs"] or place.crs_wkt
        self._to_scene = transformer_between(crs, place.crs_wkt, path)
        self._is_moved = pyproj.CRS(crs) != pyproj.CRS(place.crs_wkt)
        sides = pixel_ground(place, np.array([height / 2]), np.array([width / 2]))
        self._metres = None if sides is None else (float(sides.across[0]), float(sides.down[0]))
        if encoding.buffer and self._metres is None:
            raise DataError(f"{path}: a buffer in metres needs an image whose CRS is on the Earth.")

    def close(self) -> None:
        """Nothing is kept open."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the layer over this scene."""
        notes = []
        if len(self._layers) > 1 and self._encoding.layer is None:
            notes.append(
                f"holds {len(self._layers)} layers, of which the first, {self._layer!r}, is read "
                "(`layer` names another)"
            )
        if not self._says_crs:
            notes.append("says no CRS, and is taken to lie in that of its image")
        left_out = self._encoding.values and not self._is_empty and self._left_out()
        if left_out:
            notes.append(
                f"has features that are not labelled, because `values` does not list their "
                f"{self._encoding.class_field}: {', '.join(left_out[:5])}"
                + (", ..." if len(left_out) > 5 else "")
            )
        return tuple(notes)

    def refuse_elsewhere(self, scene: str) -> None:
        """Refuse a layer that lies elsewhere than the scene.

        Raises:
            NoOverlapError: It does.
        """
        if self._is_empty:  # a scene of its own, which shows nothing but background
            return
        whole = self._bounds(Window(0, 0, self.height, self.width))
        found = read_layer(
            self._file, self._layer, columns=[], bbox=whole, read_geometry=False,
            return_fids=True, max_features=1,
        )[1]  # fmt: skip
        if len(found):
            return
        info = layer_info(self._file, self._layer, force_total_bounds=True)
        x0, y0, x1, y1 = info["total_bounds"]
        left, bottom, right, top = whole
        if not (left < x1 and x0 < right and bottom < y1 and y0 < top):
            raise NoOverlapError(
                f"{self.path}: lies elsewhere than its image {scene}; they do not overlap.",
                "Give the layer of this image; `aoi` says where no feature means the background.",
            )

    def _left_out(self) -> list[str]:
        """Return the texts of the class attribute in the scene that are no class."""
        fields = read_layer(
            self._file, self._layer, columns=[self._encoding.class_field],
            bbox=self._bounds(Window(0, 0, self.height, self.width)), read_geometry=False,
        )[3]  # fmt: skip
        return sorted({_text(value) for value in fields[0]} - set(self._class_of))

    def read(self, window: Window) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Burn the features of a window: class indices (h, w), unknown pixels (h, w)."""
        shapes, classes = self._features(window)
        shape = (window.height, window.width)
        background = self._encoding.background
        burnt = np.full(shape, IGNORE if background is None else background, np.uint8)
        if len(shapes):
            rasterize(
                zip(shapes, classes.tolist(), strict=True),
                out=burnt,
                transform=self._of_window(window),
                all_touched=self._encoding.all_touched,
            )
        unknown = burnt == _UNKNOWN
        burnt[unknown] = IGNORE
        return burnt, unknown

    def unknown_values(self) -> str:
        """Name texts of the class attribute that were met and are no class."""
        return ", ".join(sorted(self._unlisted_texts)[:5])

    def covers(self, window: Window) -> npt.NDArray[np.bool_]:
        """Return which pixels (h, w) of a window lie in a feature."""
        shapes, _ = self._features(window)
        shape = (window.height, window.width)
        burnt = np.zeros(shape, np.uint8)
        if len(shapes):
            grid = self._of_window(window)
            rasterize(((item, 1) for item in shapes), out=burnt, transform=grid)
        return np.asarray(burnt == 1)

    def _of_window(self, window: Window) -> Affine:
        shifted = tile_georeference(self._place, window).transform
        assert shifted is not None
        return Affine(*shifted)

    def _features(self, window: Window) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.uint8]]:
        """Return the geometries that a window shows, on the grid's CRS, and their classes."""
        import shapely

        if self._is_empty:
            return np.empty(0, np.object_), np.empty(0, np.uint8)
        _, numbers, geometries, fields = read_layer(
            self._file,
            self._layer,
            columns=self._columns,
            bbox=self._bounds(window),
            force_2d=True,
            return_fids=True,
        )
        # A spatial index hands features out in an order of its own.
        by_number = np.argsort(numbers, kind="stable")
        geometries, fields = geometries[by_number], [field[by_number] for field in fields]
        shapes = shapely.from_wkb(geometries, on_invalid="ignore")
        columns = dict(zip(self._columns, fields, strict=True))
        kept = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
        shapes = shapes[kept]
        classes = self._classes(columns, kept)
        if self._is_moved and len(shapes):
            shapes = in_system(shapes, self._to_scene)
        if self._encoding.order:
            values = columns[self._order][kept] if self._order else None
            by = burning_order(self._encoding.order, values, classes, shapely.area(shapes))
            shapes, classes = shapes[by], classes[by]
        if self._encoding.buffer:
            thin = shapely.get_dimensions(shapes) < 2
            shapes[thin] = self._buffered(shapes[thin])
        return shapes, classes

    def _classes(
        self, columns: Mapping[str, npt.NDArray[Any]], kept: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.uint8]:
        field = self._encoding.class_field
        if field is None:
            return np.full(int(kept.sum()), self._encoding.only, np.uint8)
        texts = [_text(value) for value in columns[field][kept]]
        self._unlisted_texts |= set(texts) - set(self._class_of)
        return np.array([self._class_of.get(text, self._unlisted) for text in texts], np.uint8)

    def _bounds(self, window: Window) -> tuple[float, float, float, float]:
        """Return the box of a window in the layer's CRS, with what buffers reach in from."""
        margin = 2.0
        if self._encoding.buffer and self._metres is not None:
            margin += self._encoding.buffer / min(self._metres)
        rows = np.array([window.row - margin, window.row + window.height + margin])
        columns = np.array([window.column - margin, window.column + window.width + margin])
        corners = np.array([(column, row) for row in rows for column in columns])
        x, y = moved(corners, self._transform).T.tolist()
        box = (min(x), min(y), max(x), max(y))
        if not self._is_moved:
            return box
        from pyproj.enums import TransformDirection
        from pyproj.exceptions import ProjError

        bounds = (math.nan,) * 4
        with suppress(ProjError):
            bounds = self._to_scene.transform_bounds(
                *box, densify_pts=21, direction=TransformDirection.INVERSE
            )
        if not all(math.isfinite(value) for value in bounds):
            raise DataError(f"{self.path}: cannot be brought into the CRS of the image.")
        left, bottom, right, top = bounds
        if left > right:  # over the antimeridian
            left, right = -180.0, 180.0
        return left, bottom, right, top

    def _buffered(self, shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
        """Widen points and lines by metres on the ground in the middle of the scene."""
        import shapely

        assert self._metres is not None
        # To metres along the rows and columns of the scene and back.
        sides, to_pixels = np.array(self._metres), ~self._transform
        flat = shapely.transform(shapes, lambda points: moved(points, to_pixels) * sides)
        wide = shapely.buffer(flat, self._encoding.buffer)
        widened: npt.NDArray[np.object_] = shapely.transform(
            wide, lambda points: moved(points / sides, self._transform)
        )
        return widened


def burning_order(
    order: str,
    values: npt.NDArray[Any] | None,
    classes: npt.NDArray[np.uint8],
    areas: npt.NDArray[np.float64],
) -> npt.NDArray[np.intp]:
    """Return the order in which features are burnt; those without a value come first.

    Args:
        order: As `VectorEncoding` has it.
        values: The attribute of every feature, if the order is by one.
        classes: The class of every feature.
        areas: The area of every feature.
    """
    if values is None:
        return np.argsort(-areas if order == "area" else classes, kind="stable")
    if values.dtype.kind not in "iufb":
        values = np.array(["" if value is None else str(value) for value in values])
        ranks = np.unique(values, return_inverse=True)[1].astype(np.float64)
        ranks[values == ""] = np.nan
    else:
        ranks = values.astype(np.float64)
    ranks = -ranks if order.startswith("-") else ranks
    return np.argsort(np.where(np.isnan(ranks), -np.inf, ranks), kind="stable")


def _text(value: Any) -> str:
    """Return an attribute as a description writes it: 3.0 is 3, and no value is None, as null."""
    if value != value:  # a missing number
        return str(None)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return nfc(str(value))
