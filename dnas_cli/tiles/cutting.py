"""Cutting and measuring one image and its label.

One pass over the files: a row of tiles is read, cut and measured before the next one, so memory
holds a strip of the image and never all of it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.datasets.discovery import Problem
from dnas_cli.datasets.inspection import ImageFacts, problem_of
from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.band_statistics import BandStatistics
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.label_survey import too_many_unknown
from dnas_cli.scenes.placed_labels import PlacedLabels
from dnas_cli.scenes.raster import Raster, Window, open_raster
from dnas_cli.scenes.tile_files import (
    cutting_environment,
    tile_georeference,
    write_image_tile,
    write_label_tile,
)
from dnas_cli.scenes.validity import beyond_plausible
from dnas_cli.tiles.grid import inside, offsets, tile_rows
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.measurements import Measurements, class_counts, save_measurements
from dnas_cli.tiles.overlaps import first_shown, repeated_parts
from dnas_cli.tiles.source_files import file_facts, further_files, image_facts
from dnas_cli.tiles.workers import check_stop

_LARGEST_STRIP = 64 << 20  # bytes of band values per read


@dataclass(frozen=True)
class CuttingTask:
    """One image to cut.

    Attributes:
        record: The file that marks the image as done.
        encoding: How the label encodes classes.
        nodata: The nodata value by the description, if it has one.
        max_unknown: The largest share of label pixels of no known colour.
        per_image: Whether the image is normalised by its own mean and deviation.
        keep_empty: Whether tiles without any label are kept.
        labels_as_is: Whether labels lie on their images pixel by pixel, wherever they say they lie.
    """

    source: Path
    out: Path
    record: Path
    facts: ImageFacts
    size: int
    encoding: LabelEncoding
    nodata: float | None
    max_unknown: float
    per_image: bool
    labels_as_is: bool = False
    keep_empty: bool = False


def tile_refs(facts: ImageFacts, size: int) -> list[TileRef]:
    """Return the tiles of an image, row by row: `<scene>/<image>_<row>_<column>_img.tif`."""
    pair = facts.pair
    return [
        TileRef(
            f"image/{pair.scene}/{pair.key}_{row}_{column}_img.tif",
            f"label/{pair.scene}/{pair.key}_{row}_{column}_label.png",
            pair.scene,
        )
        for row, windows in enumerate(tile_rows(facts.height, facts.width, size))
        for column in range(len(windows))
    ]


def cut_image(task: CuttingTask) -> Problem | None:
    """Cut an image and its label into tiles and write their record.

    Returns:
        The reason why the image cannot be used, if any; then none of its tiles remains.
    """
    try:
        with cutting_environment():
            measurements = _cut(task)
        save_measurements(task.record, measurements)
    except DataError as error:
        for ref in tile_refs(task.facts, task.size):
            (task.out / ref.image).unlink(missing_ok=True)
            (task.out / ref.label).unlink(missing_ok=True)
        return problem_of(task.facts.pair.image, error, task.source)
    return None


def _cut(task: CuttingTask) -> Measurements:
    facts, pair = task.facts, task.facts.pair
    for folder in ("image", "label"):
        (task.out / folder / pair.scene).mkdir(parents=True, exist_ok=True)
    shape = {pair.key: (facts.height, facts.width)}
    refs = enumerate(tile_refs(facts, task.size))
    # What a tile repeats is in the row before it and its own; tiles left out repeat nothing.
    recent: deque[TileRef] = deque(maxlen=2 * len(offsets(facts.width, task.size)) + 2)
    left_out: list[int] = []
    counts, checksums = [], []
    statistics = BandStatistics.empty(len(facts.bands), facts.dtype)
    whole = BandStatistics.empty(len(facts.bands), facts.dtype)
    unknown = zeros = implausible = 0
    has_data = False
    seen = _Seen()
    image_path, label_path = task.source / pair.image, task.source / pair.label
    files = pair.label_files(task.source, task.encoding, task.labels_as_is)
    with (
        open_raster(
            pair.scene_files(task.source), facts.band_numbers, task.nodata, grid=facts.grid
        ) as scene,
        files.open_over(scene) as labels,
    ):
        for windows in _strips(facts, task.size):
            check_stop()
            strip = _Strip.read(scene, labels, windows)
            new = seen.new(strip.valid.shape, windows[0])
            has_data |= bool(strip.valid.any())
            unknown += int(np.count_nonzero(strip.unknown[new]))
            part = strip.image[:, *new]
            implausible += int(np.count_nonzero(beyond_plausible(part)))
            if not scene.has_validity:
                zeros += int(np.count_nonzero((part == 0).all(axis=0)))
            if task.per_image:
                whole.add(strip.image[:, *new], strip.valid[new])
            for window in windows:
                number, ref = next(refs)
                image, valid, label = strip.tile(window, scene.nodata)
                if not task.keep_empty and (label == IGNORE).all():
                    left_out.append(number)
                    counts.append(np.zeros(len(task.encoding.classes) + 1, np.int64))
                    continue
                place = tile_georeference(scene.georeference, window)
                checksums.append(
                    (
                        write_image_tile(
                            task.out / ref.image, image, valid, facts.bands, scene.nodata, place
                        ),
                        write_label_tile(task.out / ref.label, label, task.encoding.classes),
                    )
                )
                parts = repeated_parts([*recent, ref], shape, task.size).get(ref.image, ())
                recent.append(ref)
                first = first_shown(parts, task.size)
                statistics.add(image, valid & first)
                counts.append(class_counts(label[first], len(task.encoding.classes)))
        share = unknown / (facts.height * facts.width)
        if share > task.max_unknown:
            reason = too_many_unknown(labels, share, task.max_unknown)
            raise DataError(f"{label_path}: {reason}")
    if not has_data:
        raise DataError(f"{image_path}: holds no data: nodata or the mask covers it.")
    if not np.stack(counts)[:, :-1].any():
        raise DataError(f"{label_path}: labels no pixel of its image.")
    source_facts = {
        **image_facts(task.source, pair),
        "label": file_facts(label_path, pair.label),
        **further_files(task.source, pair),
        "unknown_pixels": unknown,
        "zero_share": zeros / (facts.height * facts.width),
        "implausible_values": implausible,
        **({"tiles_left_out": left_out} if left_out else {}),
    }
    if task.per_image:
        source_facts["moments"] = whole.moments().to_json()
    return Measurements(
        pair.key, source_facts, np.stack(counts), statistics, np.array(checksums, np.int64)
    )


def _strips(facts: ImageFacts, size: int) -> Iterator[Sequence[Window]]:
    """Yield the tiles in groups that are read at once: a row of them, or a part of a long row."""
    column_bytes = size * (len(facts.bands) * np.dtype(facts.dtype).itemsize + 4)
    at_once = max(1, _LARGEST_STRIP // (column_bytes * size))
    for windows in tile_rows(facts.height, facts.width, size):
        for start in range(0, len(windows), at_once):
            yield windows[start : start + at_once]


@dataclass(frozen=True)
class _Strip:
    """Neighbouring tiles of a row, cropped to the image."""

    column: int
    image: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    label: npt.NDArray[np.uint8]
    unknown: npt.NDArray[np.bool_]

    @staticmethod
    def read(scene: Raster, labels: PlacedLabels, windows: Sequence[Window]) -> "_Strip":
        first, last = windows[0], windows[-1]
        around = Window(
            first.row, first.column, first.height, last.column + last.width - first.column
        )
        part = inside(around, scene.height, scene.width)
        image, valid = scene.read_with_validity(part)
        label, unknown = labels.read(part)
        label[~valid] = IGNORE
        return _Strip(first.column, image, valid, label, unknown)

    def tile(
        self, window: Window, nodata: float | None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
        """Return image, validity and label of a tile, padded beyond the border of the image."""
        start = window.column - self.column
        columns = slice(start, start + window.width)
        image, valid = self.image[:, :, columns], self.valid[:, columns]
        label = self.label[:, columns]
        missing = (window.height - label.shape[0], window.width - label.shape[1])
        if missing == (0, 0):
            return image, valid, label
        border = ((0, missing[0]), (0, missing[1]))
        fill = 0 if nodata is None else nodata
        return (
            np.pad(image, ((0, 0), *border), constant_values=fill),
            np.pad(valid, border, constant_values=False),
            np.pad(label, border, constant_values=IGNORE),
        )


@dataclass
class _Seen:
    """How far an image is read, so that pixels of shifted tiles do not count twice."""

    row: int = 0  # rows above are complete
    bottom: int = 0  # of the strip being read
    column: int = 0  # columns before are complete, within the strip

    def new(self, shape: tuple[int, ...], first: Window) -> tuple[slice, slice]:
        """Return which rows and columns of a part (h, w) that starts at `first` are new."""
        if first.column == 0:
            self.row, self.column = self.bottom, 0
        rows = slice(max(0, self.row - first.row), None)
        columns = slice(max(0, self.column - first.column), None)
        self.bottom, self.column = first.row + shape[0], first.column + shape[1]
        return rows, columns


def written_refs(task: CuttingTask, measurements: Measurements) -> list[tuple[TileRef, Any]]:
    """Return the tiles of an image that were written, with their pixels per class."""
    left_out = set(measurements.facts.get("tiles_left_out", ()))
    refs = zip(tile_refs(task.facts, task.size), measurements.class_pixels, strict=True)
    return [entry for number, entry in enumerate(refs) if number not in left_out]
