"""Tile sets: tiles of scenes with labels, cut once, read by training and evaluation.

A tile set is a folder with `dataset.json`, a list per split, and the tiles
(`docs/datasets.md`). Opening reads the description and the lists and trusts nothing in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError
from dnas_cli.files import content_hash, read_json
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.labels import LabelEncoding, open_label
from dnas_cli.scenes.normalisation import Moments, Normalisation
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.tiles.lists import SPLITS, TileRef, image_of, list_text, path_inside, read_list

__all__ = ["SCHEMA", "VERSION", "TileRef", "TileSet", "open_tile_set"]

SCHEMA = "dnas.tile-set"
VERSION = 1

_LARGEST_TILE = 16384
# What says nothing about the tiles: the writing version, and where scenes, or the tiles of a
# taken-over set, lie. Without them the fingerprint survives an update and a move.
_NOT_IN_FINGERPRINT = ("written_by", "blocks", "source")


@dataclass(frozen=True)
class TileSet:
    """An opened tile set; can be pickled.

    Attributes:
        root: The folder with `dataset.json`.
        tiles_folder: The folder that tile paths are relative to: `root`, or the folder of a set
            that was cut elsewhere.
        name: What the dataset is called.
        classes: The classes; position is the label's index.
        bands: Names of the bands of every tile, in order.
        dtype: NumPy name of the band values.
        tile_size: Height and width of every tile.
        nodata: The value that means "no data", if there is one for all tiles.
        normalisation: The step from band values to network input.
        statistics: Per band name: count, min, max, mean, std and percentiles (1, 50, 99) of the
            training split, in raw units, nodata left out.
        fingerprint: `sha256:...` over the description and the lists.
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
    statistics: dict[str, dict[str, Any]]
    fingerprint: str
    encoding: LabelEncoding = field(repr=False)
    band_numbers: tuple[int, ...] = field(repr=False)
    _tiles: dict[str, tuple[TileRef, ...]] = field(repr=False)
    _class_pixels: dict[str, dict[str, int]] = field(repr=False)
    _moments: dict[str, Moments] = field(repr=False)

    def split(self, name: str) -> tuple[TileRef, ...]:
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
        path = path_inside(self.tiles_folder, ref.label)
        with open_label(path, self.encoding) as raster:
            self._check_size(path, raster.height, raster.width)
            label, _ = raster.read(whole)
        label[~valid] = IGNORE
        return image, valid, label

    def normalisation_of(
        self, ref: TileRef, by: Normalisation | None = None, bands: Sequence[int] | None = None
    ) -> Normalisation:
        """Return the constants for a tile, which depend on its image if they are per image.

        Args:
            ref: The tile.
            by: A network's normalisation; the tile set's own when missing.
            bands: Positions of the network's bands among the tile set's; all when missing.

        Raises:
            DataError: They are per image and nothing is known of the image.
        """
        by = by or self.normalisation
        if not by.per_image:
            return by
        moments = self._moments.get(image_of(ref))
        if moments is None:
            raise DataError(
                f"{self.root}: does not say the mean and deviation of the image that {ref.image} "
                f"was cut from, which the normalisation per image needs.",
                "Cut it with `normalisation: image` in the dataset's description.",
            )
        return by.of_image(moments if bands is None else moments.of_bands(bands))

    def class_pixels(self, split: str) -> dict[str, int]:
        """Return how many pixels each class has in a split, over its tiles."""
        counts = self._class_pixels.get(split, {})
        return {land_class.name: counts.get(land_class.name, 0) for land_class in self.classes}

    def unlabelled_pixels(self, split: str) -> int:
        """Return how many pixels of a split have no label, over its tiles."""
        return self._class_pixels.get(split, {}).get("unlabelled", 0)

    def count(self, split: str) -> int:
        """Return how many tiles a split has; none when its list is missing."""
        return len(self._tiles.get(split, ()))

    def scenes(self, split: str) -> tuple[str, ...]:
        """Return the scenes that a split has tiles of, sorted."""
        return tuple(sorted({ref.scene for ref in self._tiles.get(split, ())}))

    def _check_size(self, path: Path, height: int, width: int) -> None:
        if (height, width) != (self.tile_size, self.tile_size):
            raise DataError(
                f"{path}: has {width} x {height} pixels, but this tile set has tiles of "
                f"{self.tile_size} x {self.tile_size}."
            )


def open_tile_set(path: Path) -> TileSet:
    """Open a tile set.

    Raises:
        DataError: The folder is no tile set, or what is missing or damaged.
    """
    if not path.is_dir():
        what = "is a file, not a tile set" if path.exists() else "no such folder"
        raise DataError(f"{path}: {what}.", "Make a tile set with `dnas tile SOURCE`.")
    file = path / "dataset.json"
    if not file.is_file():
        unfinished = (path / ".progress").is_dir()
        raise DataError(
            f"{path}: is {'an unfinished' if unfinished else 'no'} tile set (no dataset.json).",
            "Run the `dnas tile` command again; it goes on where it stopped."
            if unfinished
            else "Make one with `dnas tile SOURCE`.",
        )
    content = read_json(file)
    _check_schema(file, content)
    tiles = {
        split: read_list(path / f"{split}.lst")
        for split in SPLITS
        if (path / f"{split}.lst").is_file()
    }
    try:
        return _tile_set(path, content, tiles)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, OSError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{file}: is damaged ({reason}).", "Cut the tile set again with --overwrite."
        ) from error


def _check_schema(file: Path, content: Any) -> None:
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(f"{file}: does not describe a tile set.")
    if content.get("version") != VERSION:
        raise DataError(
            f"{file}: has version {content.get('version')!r} of the tile set format; this dnas "
            f"reads version {VERSION}.",
            "Use the dnas that wrote it, or cut the tile set again.",
        )


def _tile_set(
    path: Path, content: dict[str, Any], tiles: dict[str, tuple[TileRef, ...]]
) -> TileSet:
    classes = tuple(LandClass.from_json(entry) for entry in content["classes"])
    bands = tuple(str(band) for band in content["bands"])
    normalisation = Normalisation.from_json(content["normalisation"])
    tile_size = int(content["tile_size"])
    if not 0 < len(classes) < IGNORE or not bands or not 0 < tile_size <= _LARGEST_TILE:
        raise ValueError("classes, bands or tile size are out of range")
    band_numbers = tuple(int(number) for number in content["band_numbers"])
    if not len(bands) == len(set(bands)) == len(band_numbers) == len(normalisation.mean):
        raise ValueError("bands, their numbers and the normalisation do not agree")
    nodata = content["nodata"]
    return TileSet(
        root=path,
        tiles_folder=_tiles_folder(path, content["blocks"]),
        name=str(content["name"]),
        classes=classes,
        bands=bands,
        dtype=np.dtype(str(content["dtype"])).name,
        tile_size=tile_size,
        nodata=None if nodata is None else float(nodata),
        normalisation=normalisation,
        statistics={str(band): dict(content["statistics"][band]) for band in bands},
        fingerprint=fingerprint(content, tiles),
        encoding=LabelEncoding.from_json(content["label_encoding"], classes),
        band_numbers=band_numbers,
        _tiles=tiles,
        _class_pixels={
            str(split): {str(name): int(count) for name, count in counts.items()}
            for split, counts in content["class_pixels"].items()
        },
        _moments={
            str(source["key"]): _moments_of(source, len(bands))
            for source in content["sources"]
            if "moments" in source
        },
    )


def _moments_of(source: dict[str, Any], bands: int) -> Moments:
    moments = Moments.from_json(source["moments"])
    if len(moments.mean) != bands:
        raise ValueError("the mean of an image has not as many values as there are bands")
    return moments


def _tiles_folder(path: Path, tiles: Any) -> Path:
    # "." for tiles that were cut here; else the folder that `dnas tile --from-lists` was given.
    folder = path if tiles == "." else path / str(tiles)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: the tiles of the tile set {path} are not there any more.",
            "Put them back, or run `dnas tile --from-lists` again from where they are now.",
        )
    return folder


def fingerprint(content: dict[str, Any], tiles: dict[str, tuple[TileRef, ...]]) -> str:
    """Return the hash that tells whether two tile sets are the same."""
    known = {key: value for key, value in content.items() if key not in _NOT_IN_FINGERPRINT}
    return content_hash(
        {"dataset": known, "lists": {split: list_text(tiles[split]) for split in sorted(tiles)}}
    )
