"""Writing a finished tile set: the lists, then `dataset.json`, whose presence says "finished"."""

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
from dnas_cli.files import remove_leftovers, write_json, write_text
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.labels import LabelEncoding
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.tiles.lists import SPLITS, TileRef, list_text
from dnas_cli.tiles.statistics import BandStatistics
from dnas_cli.tiles.tile_set import SCHEMA, VERSION

UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class TileSetContent:
    """All that is written about a tile set.

    Attributes:
        description: The dataset.
        settings: How it was made, as plain data.
        tiles_folder: The folder of tiles, relative to the tile set; `.` for its own.
        source: The folder of the scenes, relative to the tile set; none for tiles cut elsewhere.
        bands: Names of the bands.
        band_numbers: Their numbers in the tiles, from 1.
        dtype: NumPy name of the values.
        tile_size: Height and width of a tile.
        nodata: The value that means "no data", if there is one for all.
        encoding: How the labels of the tiles say the class.
        tiles: The tiles per split.
        class_pixels: Pixels per split: classes, then unlabelled.
        statistics: Of the training split.
        sources: Facts on the files the tiles came from.
        skipped: What was left out.
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
    tiles: Mapping[str, Sequence[TileRef]]
    class_pixels: Mapping[str, npt.NDArray[np.int64]]
    statistics: BandStatistics
    sources: Sequence[dict[str, Any]]
    skipped: Sequence[Problem]


def write_tile_set(root: Path, content: TileSetContent) -> None:
    """Write the lists and `dataset.json` of a tile set whose tiles are there."""
    remove_leftovers(root)
    for split in SPLITS:
        write_text(root / f"{split}.lst", list_text(content.tiles[split]))
    # One flush for all the tiles: each for itself would cost more than cutting them.
    if hasattr(os, "sync"):
        os.sync()
    write_json(root / "dataset.json", _to_json(content))


def _to_json(content: TileSetContent) -> dict[str, Any]:
    classes = content.description.classes
    names = [land_class.name for land_class in classes] + [UNLABELLED]
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
    content: TileSetContent, statistics: dict[str, dict[str, Any]]
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
    stds = []
    for band in content.bands:
        std = float(statistics[band]["std"])
        if not std > 0 or not np.isfinite(std):
            logger.warning("band %s has the same value everywhere in the training split", band)
            std = 1.0
        stds.append(std)
    means = tuple(float(statistics[band]["mean"]) for band in content.bands)
    if description.per_image:
        return Normalisation(1.0, means, tuple(stds), per_image=True), "each image"
    return Normalisation(1.0, means, tuple(stds)), "training split"
