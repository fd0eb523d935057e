"""What is known of finished work: one small file for each piece, so that work can resume."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from dnas_cli.datasets.inspection import ImageFacts
from dnas_cli.errors import RunStateError
from dnas_cli.files import write_bytes
from dnas_cli.scenes.band_statistics import BandStatistics
from dnas_cli.tiles.lists import SPLITS


@dataclass(frozen=True)
class Measurements:
    """The measurements of a set of tiles.

    Attributes:
        key: Name of the piece of work.
        facts: Plain data on where the tiles come from.
        class_pixels: (tiles, classes + 1) pixels per class in every tile, unlabelled ones last;
            pixels that an earlier tile shows as well are left out.
        statistics: Of the bands over all of the tiles.
        checksums: (tiles, 2) CRC-32 of the image and label files that were written, if any were.
    """

    key: str
    facts: dict[str, Any]
    class_pixels: npt.NDArray[np.int64]
    statistics: BandStatistics
    checksums: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))


def save_measurements(path: Path, measurements: Measurements) -> None:
    """Write measurements to a file, atomically."""
    statistics = measurements.statistics
    content = BytesIO()
    np.savez_compressed(
        content,
        facts=np.array(json.dumps({"key": measurements.key, **measurements.facts})),
        class_pixels=measurements.class_pixels,
        dtype=np.array(statistics.dtype),
        counts=statistics.counts,
        checksums=measurements.checksums,
        moments=np.stack([statistics.low, statistics.high, statistics.mean, statistics.spread]),
    )
    write_bytes(path, content.getvalue())


def load_measurements(path: Path) -> Measurements | None:
    """Read measurements; nothing when there is none, or none that is whole."""
    try:
        with np.load(path, allow_pickle=False) as content:
            facts = json.loads(str(content["facts"]))
            low, high, mean, spread = content["moments"].copy()
            statistics = BandStatistics(
                str(content["dtype"]), content["counts"], low, high, mean, spread
            )
            return Measurements(
                facts.pop("key"), facts, content["class_pixels"], statistics, content["checksums"]
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def required_measurements(path: Path) -> Measurements:
    """Read the measurements of finished work.

    Raises:
        RunStateError: They are gone.
    """
    measurements = load_measurements(path)
    if measurements is None:
        raise RunStateError(
            f"{path}: is missing, though it is needed.",
            "Run the same command again; nothing else may work in that folder.",
        )
    return measurements


def class_counts(indices: npt.NDArray[np.uint8], classes: int) -> npt.NDArray[np.int64]:
    """Count the pixels of every class in class indices; the unlabelled ones last."""
    counts = np.bincount(indices.ravel(), minlength=256)
    return np.append(counts[:classes], counts[classes:].sum()).astype(np.int64)


def source_facts(facts: ImageFacts, measurements: Measurements) -> dict[str, Any]:
    """Return what `dataset.json` says about an image."""
    return {
        "key": facts.pair.key,
        "scene": facts.pair.scene,
        "width": facts.width,
        "height": facts.height,
        "tiles": len(measurements.class_pixels) - len(measurements.facts.get("tiles_left_out", ())),
        **measurements.facts,
    }


def class_sums(
    counts: Mapping[str, npt.NDArray[np.int64]], split: Mapping[str, str], classes: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Add up the pixels per class (unlabelled last) over the units of every split."""
    sums = {name: np.zeros(classes + 1, np.int64) for name in SPLITS}
    for unit, name in split.items():
        sums[name] += counts[unit]
    return sums
