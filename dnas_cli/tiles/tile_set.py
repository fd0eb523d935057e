"""Tile sets: tiles of scenes with labels, cut once, read by training and evaluation.

A tile set is a folder with `dataset.json`, a list per split, and the tiles
(`docs/datasets.md`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.band_statistics import BandSummary
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.labels import open_label
from dnas_cli.scenes.normalisation import Moments, Normalisation
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.tiles.lists import SPLITS, TileList, TileRef, image_of, path_inside, place_of
from dnas_cli.tiles.overlaps import Parts, first_shown, repeated_parts

_MOST_PIXELS = 1 << 31  # along a side of an image


@dataclass(frozen=True)
class TileSet:
    """An opened tile set; can be pickled.

    Attributes:
        root: The folder with `dataset.json`.
        tiles_folder: The folder that tile paths are relative to: `root`, or the folder of adopted
            tiles.
        classes: The classes; position is the label's index.
        bands: Names of the bands of every tile, in order.
        dtype: NumPy name of the band values.
        tile_size: Height and width of every tile.
        nodata: The value that means "no data", if there is one for all tiles.
        statistics: Per band name: count, min, max, mean, std and percentiles (1, 50, 99) of the
            training split, in raw units, without nodata.
        fingerprint: `sha256:...` over the description and the lists.
        encoding: How the labels of the tiles say the class.
        ground_resolution: Metres of a pixel on the ground, where that is known.
        crs_unit: Unit of the scenes' map coordinates, where they share one.
        source_encoding: How the labels said it that the tiles came from.
    """

    root: Path
    tiles_folder: Path
    name: str
    classes: tuple[LandClass, ...]
    bands: tuple[str, ...]
    dtype: str
    tile_size: int
    nodata: float | None
    normalisation: Normalisation
    statistics: dict[str, BandSummary]
    fingerprint: str
    encoding: LabelEncoding = field(repr=False)
    source_encoding: LabelEncoding = field(repr=False)
    band_numbers: tuple[int, ...] = field(repr=False)
    ground_resolution: float | None
    crs_unit: str | None
    _tiles: dict[str, TileList] = field(repr=False)
    _class_pixels: dict[str, dict[str, int]] = field(repr=False)
    _moments: dict[str, Moments] = field(repr=False)
    _shapes: dict[str, tuple[int, int]] = field(repr=False)

    @cached_property
    def _repeated(self) -> dict[str, Parts]:
        """The repeated parts of all tiles, where the sizes of their images are known."""
        found: dict[str, Parts] = {}
        for refs in self._tiles.values():
            found |= repeated_parts(refs, self._shapes, self.tile_size)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what the tile set holds as plain data."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "tile_size": self.tile_size,
            "bands": list(self.bands),
            "dtype": self.dtype,
            "nodata": self.nodata,
            "classes": [land_class.to_json() for land_class in self.classes],
            "normalisation": self.normalisation.to_json(),
            "statistics": self.statistics,
            "splits": {
                split: {"tiles": self.count(split), "class_pixels": self.class_pixels(split)}
                for split in SPLITS
            },
        }

    def split(self, name: str) -> TileList:
        """Return the tiles of `train`, `val` or `test`.

        Raises:
            DataError: There is no such split, or it is empty.
        """
        if name not in SPLITS:
            raise DataError(f"{self.root}: has no split {name!r}.", "Use train, val or test.")
        if name not in self._tiles:
            raise DataError(
                f"{self.root / name}.lst: is missing.", "Cut the tile set again with `dnas tile`."
            )
        if not self._tiles[name]:
            raise DataError(
                f"{self.root}: the split {name!r} holds no tiles.",
                "Use another split, or cut the tile set again with more scenes in it.",
            )
        return self._tiles[name]

    def read(
        self, ref: TileRef
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
        """Read one tile.

        Returns:
            The image (B, H, W) in `dtype`, the pixels that hold data (H, W), and the class indices
            (H, W) with 255 where there is no label or no data.

        Raises:
            DataError: A file is missing, damaged, of another size, or outside the tile set.
        """
        whole = Window(0, 0, self.tile_size, self.tile_size)
        path = path_inside(self.tiles_folder, ref.image)
        with open_raster(path, self.band_numbers, self.nodata) as scene:
            self._check_size(path, scene.height, scene.width)
            if scene.dtype != self.dtype:
                raise DataError(f"{path}: holds {scene.dtype} values, not {self.dtype}.")
            image, valid = scene.read_with_validity(whole)
        label = self.read_label(ref)
        label[~valid] = IGNORE
        return image, valid, label

    def read_label(self, ref: TileRef) -> npt.NDArray[np.uint8]:
        """Read the label of one tile: class indices (H, W) with 255 where there is no label.

        Where its image holds no data, a label that was not cut here may have classes.

        Raises:
            DataError: The file is missing, damaged, of another size, or outside the tile set.
        """
        path = path_inside(self.tiles_folder, ref.label)
        with open_label(path, self.encoding) as raster:
            self._check_size(path, raster.height, raster.width)
            label, _ = raster.read(Window(0, 0, self.tile_size, self.tile_size))
        return label

    def read_once(
        self, ref: TileRef
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
        """Read one tile as `read` does, with 255 also where an earlier tile of its split counts.

        Tiles of the last row and column are shifted back, so that some pixels are in up to four.
        """
        image, valid, label = self.read(ref)
        if parts := self._repeated.get(ref.image):
            label[~first_shown(parts, self.tile_size)] = IGNORE
        return image, valid, label

    def normalisation_of(
        self, ref: TileRef, by: Normalisation | None = None, bands: Sequence[int] | None = None
    ) -> Normalisation:
        """Return the constants for a tile, which depend on its image if they are per image.

        Args:
            by: A network's normalisation; the tile set's own when missing.
            bands: Positions of the network's bands among the tile set's; all when missing.

        Raises:
            DataError: They are per image, and those of the image are missing.
        """
        by = by or self.normalisation
        if not by.per_image:
            return by
        moments = self._moments.get(image_of(ref))
        if moments is None:
            raise DataError(
                f"{self.root}: lacks the mean and deviation of the image of {ref.image}, which the "
                f"normalisation per image needs.",
                "Cut it with `normalisation: image` in the dataset's description.",
            )
        return by.of_image(moments if bands is None else moments.of_bands(bands))

    def locate(self, ref: TileRef) -> tuple[str, int, int] | None:
        """Return the image of a tile, and where the tile begins in it: row and column in pixels.

        None for a tile of another name than `dnas tile` gives.
        """
        found = place_of(ref)
        if found is None:
            return None
        name, *position = found
        # Where the image's size is not known, its last tiles may begin a little earlier.
        shape = self._shapes.get(name, (_MOST_PIXELS, _MOST_PIXELS))
        row, column = (
            max(0, min(index * self.tile_size, length - self.tile_size))
            for index, length in zip(position, shape, strict=True)
        )
        return name, row, column

    def class_pixels(self, split: str) -> dict[str, int]:
        """Return the pixels of each class over the tiles of a split."""
        counts = self._class_pixels.get(split, {})
        return {land_class.name: counts.get(land_class.name, 0) for land_class in self.classes}

    def unlabelled_pixels(self, split: str) -> int:
        """Return the unlabelled pixels over the tiles of a split."""
        return self._class_pixels.get(split, {}).get("unlabelled", 0)

    def count(self, split: str) -> int:
        """Return the number of tiles of a split; 0 if its list is missing."""
        return len(self._tiles.get(split, ()))

    def scenes(self, split: str) -> tuple[str, ...]:
        """Return the scenes of a split, sorted."""
        return tuple(sorted({ref.scene for ref in self._tiles.get(split, ())}))

    def _check_size(self, path: Path, height: int, width: int) -> None:
        if (height, width) != (self.tile_size, self.tile_size):
            raise DataError(
                f"{path}: has {width} x {height} pixels, but this tile set has tiles of "
                f"{self.tile_size} x {self.tile_size}."
            )
