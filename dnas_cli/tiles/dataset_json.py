"""`dataset.json`: what describes a tile set. It is written last, so that it says "finished".

Reading trusts nothing in it nor in the lists beside it.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli import __version__
from dnas_cli.console import logger
from dnas_cli.datasets.description import DatasetDescription
from dnas_cli.datasets.discovery import Problem
from dnas_cli.errors import DataError
from dnas_cli.file_kinds import FOLDER, TILE_SET, kind_of, wrong_kind
from dnas_cli.files import remove_leftovers, write_text
from dnas_cli.json_files import check_schema, content_hash, read_json, write_json
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.band_statistics import (
    BandStatistics,
    BandSummary,
    is_outweighed,
    robust_moments,
)
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.normalisation import Moments, Normalisation
from dnas_cli.scenes.palette import LandClass
from dnas_cli.tiles.lists import SPLITS, TileList, TileRef, list_text, read_list
from dnas_cli.tiles.tile_set import TileSet

SCHEMA = "dnas.tile-set"
VERSION = 1
_UNLABELLED = "unlabelled"

_NAME = "dataset.json"
_LARGEST_TILE = 16384
# What says nothing about the tiles: the writing version, and where scenes, or the tiles of a
# set made from lists, lie. Without them the fingerprint survives an update and a move.
_NOT_IN_FINGERPRINT = ("written_by", "blocks", "source")


@dataclass(frozen=True)
class TileSetContent:
    """All that is written about a tile set.

    Attributes:
        settings: How it was made, as plain data.
        tiles_folder: The folder of tiles, relative to the tile set; `.` for its own.
        source: The folder of the scenes, relative to the tile set; none for tiles cut elsewhere.
        band_numbers: Their numbers in the tiles, from 1.
        dtype: NumPy name of the values.
        nodata: The value that means "no data", if there is one for all.
        encoding: How the labels of the tiles say the class.
        source_encoding: How the labels said it that the tiles came from.
        tiles: The tiles per split.
        class_pixels: Pixels per split: classes, then unlabelled.
        statistics: Of the training split.
        sources: Facts on the files the tiles came from.
        skipped: What was left out.
        ground_resolution: Metres of a pixel on the ground, the median of the images.
        crs_unit: Unit of the images' map coordinates, if they share one.
    """

    description: DatasetDescription
    settings: Any
    tiles_folder: str
    source: str | None
    bands: tuple[str, ...]
    band_numbers: tuple[int, ...]
    dtype: str
    tile_size: int
    nodata: float | None
    encoding: LabelEncoding
    source_encoding: LabelEncoding
    tiles: Mapping[str, Sequence[TileRef]]
    class_pixels: Mapping[str, npt.NDArray[np.int64]]
    statistics: BandStatistics
    sources: Sequence[dict[str, Any]]
    skipped: Sequence[Problem]
    ground_resolution: float | None = None
    crs_unit: str | None = None


def write_tile_set(root: Path, content: TileSetContent) -> None:
    """Write the lists and `dataset.json` of a tile set whose tiles are there."""
    remove_leftovers(root)
    for split in SPLITS:
        write_text(root / f"{split}.lst", list_text(content.tiles[split]))
    # One flush for all the tiles: each for itself would cost more than cutting them.
    if hasattr(os, "sync"):
        os.sync()
    write_json(root / _NAME, _to_json(content))


def _to_json(content: TileSetContent) -> dict[str, Any]:
    classes = content.description.classes
    names = [land_class.name for land_class in classes] + [_UNLABELLED]
    statistics = content.statistics.summary(content.bands)
    normalisation, origin = _normalisation(content, statistics)
    nodata = content.nodata
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "written_by": f"dnas {__version__}",
        "name": content.description.name,
        "classes": [land_class.to_json() for land_class in classes],
        "ignore": IGNORE,
        "bands": list(content.bands),
        "band_numbers": list(content.band_numbers),
        "dtype": content.dtype,
        "tile_size": content.tile_size,
        # JSON has no NaN; as a text it reads back as the number.
        "nodata": str(nodata) if nodata is not None and not np.isfinite(nodata) else nodata,
        "label_encoding": content.encoding.to_json(),
        "source_label_encoding": content.source_encoding.to_json(),
        "ground_resolution": content.ground_resolution,
        "crs_unit": content.crs_unit,
        "normalisation": normalisation.to_json(),
        "normalisation_from": origin,
        "statistics": statistics,
        "scenes": {
            split: sorted({tile.scene for tile in content.tiles[split]}) for split in SPLITS
        },
        "tiles": {split: len(content.tiles[split]) for split in SPLITS},
        "class_pixels": {
            split: dict(zip(names, content.class_pixels[split].tolist(), strict=True))
            for split in SPLITS
        },
        "settings": content.settings,
        "blocks": content.tiles_folder,
        "source": content.source,
        "sources": list(content.sources),
        "skipped": [{"name": item.name, "reason": item.reason} for item in content.skipped],
    }


def _normalisation(
    content: TileSetContent, statistics: dict[str, BandSummary]
) -> tuple[Normalisation, str]:
    """Return the constants of the description, else mean and deviation of the training split.

    Normalised per image, those of the training split are there for bands without contrast.
    """
    description = content.description
    given = description.normalisation
    if given is not None:
        positions = [description.bands.index(band) for band in content.bands]
        constants = Normalisation(
            given.scale,
            tuple(given.mean[position] for position in positions),
            tuple(given.std[position] for position in positions),
        )
        return constants, "description"
    means, stds = [], []
    for band in content.bands:
        mean, std = _robust(band, statistics[band])
        means.append(mean)
        if not std > 0 or not np.isfinite(std):
            logger.warning("band %s has the same value everywhere in the training split", band)
            std = 1.0
        stds.append(std)
    constants = Normalisation(1.0, tuple(means), tuple(stds), per_image=description.per_image)
    return constants, "each image" if description.per_image else "training split"


def _robust(band: str, statistics: BandSummary) -> tuple[float, float]:
    """Return robust moments of a band, and warn where they are not the plain ones."""
    if is_outweighed(statistics):
        low, high = (float(statistics["percentiles"][key]) for key in ("1", "99"))
        logger.warning(
            "band %s: outliers from %.3g to %.3g make its deviation %.3g; it is normalised by its "
            "percentiles, %.4g to %.4g",
            band, statistics["min"], statistics["max"], statistics["std"], low, high,
        )  # fmt: skip
    return robust_moments(statistics)


def open_tile_set(path: Path) -> TileSet:
    """Open a tile set.

    Raises:
        DataError: The folder is not a tile set, or a part of it is missing or damaged.
    """
    if not path.exists():
        raise DataError(f"{path}: no such folder.", "Make a tile set with `dnas tile SOURCE`.")
    if kind_of(path) not in (FOLDER, TILE_SET):
        raise wrong_kind(path, TILE_SET)
    content = read_description(path)
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
            f"{path / _NAME}: is damaged ({reason}).", "Cut the tile set again."
        ) from error


def is_tile_set(path: Path, or_unfinished: bool = False) -> bool:
    """Return whether a path is a tile set, or is about to become one."""
    return (path / _NAME).is_file() or (or_unfinished and (path / ".progress").is_dir())


def read_description(path: Path) -> dict[str, Any]:
    """Return what `dataset.json` says; of its content only schema and version are checked.

    Raises:
        DataError: It is missing, or of another kind or version.
    """
    file = path / _NAME
    if not is_tile_set(path):
        unfinished = is_tile_set(path, or_unfinished=True)
        raise DataError(
            f"{path}: is {'an unfinished' if unfinished else 'no'} tile set (no {_NAME}).",
            "Run the `dnas tile` command again; it resumes where it stopped."
            if unfinished
            else "Make one with `dnas tile SOURCE`.",
        )
    return check_schema(read_json(file), SCHEMA, VERSION, str(file), "description of a tile set")


def _tile_set(path: Path, content: dict[str, Any], tiles: dict[str, TileList]) -> TileSet:
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
        statistics={str(band): content["statistics"][band] for band in bands},
        fingerprint=fingerprint(content, tiles),
        encoding=LabelEncoding.from_json(content["label_encoding"], classes),
        source_encoding=LabelEncoding.from_json(_source_encoding(content), classes),
        band_numbers=band_numbers,
        ground_resolution=_positive(content.get("ground_resolution")),
        crs_unit=None if content.get("crs_unit") is None else str(content["crs_unit"]),
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
        _shapes=_shapes(content),
    )


def _shapes(content: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return height and width of the images that the tiles were cut from, by name."""
    found = {}
    for source in content["sources"]:
        if "key" in source:
            found[str(source["key"])] = (int(source["height"]), int(source["width"]))
        for name, (height, width) in source.get("images", {}).items():  # of tiles from lists
            found[str(name)] = (int(height), int(width))
    return found


def _positive(value: Any) -> float | None:
    if value is not None and not 0 < float(value) < math.inf:
        raise ValueError(f"a ground resolution of {value}")
    return None if value is None else float(value)


def _source_encoding(content: dict[str, Any]) -> Any:
    if "source_label_encoding" in content:
        return content["source_label_encoding"]
    settings = content["settings"]  # of a set that an earlier version cut
    cut_here = "from_lists" not in settings
    return settings["dataset"]["label_encoding"] if cut_here else content["label_encoding"]


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
            f"{folder}: the tiles of the tile set {path} are missing.",
            "Put them back, or run `dnas tile --from-lists` again from where they are now.",
        )
    return folder


def fingerprint(content: dict[str, Any], tiles: dict[str, TileList]) -> str:
    """Return the hash by which two tile sets are the same or not."""
    known = {key: value for key, value in content.items() if key not in _NOT_IN_FINGERPRINT}
    return content_hash(
        {"dataset": known, "lists": {split: tiles[split].texts() for split in sorted(tiles)}}
    )
