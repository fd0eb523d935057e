"""Measure tiles that are already cut, here or elsewhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.datasets.inspection import problem_of
from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.band_statistics import BandStatistics
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.labels import open_label
from dnas_cli.scenes.placed_labels import refuse_other_grid
from dnas_cli.scenes.raster import StoredGrid, Window, open_raster
from dnas_cli.scenes.tile_files import cutting_environment
from dnas_cli.tiles.lists import TileRef, path_inside
from dnas_cli.tiles.measurements import Measurements, class_counts, save_measurements
from dnas_cli.tiles.overlaps import Parts, first_shown, repeated_parts
from dnas_cli.tiles.work_folder import WorkFolder
from dnas_cli.tiles.workers import check_stop

_AT_ONCE = 64  # tiles per task


@dataclass(frozen=True)
class TileFormat:
    """What every tile of a set must be.

    Attributes:
        file_bands: Number of bands in the files, alpha included.
        band_numbers: The bands that are used, from 1.
        dtype: NumPy name of the values.
        nodata: The nodata value by the description, if it has one.
        encoding: How labels say the class.
        labels_as_is: Labels lie on their images pixel by pixel, wherever they say they lie.
    """

    size: int
    file_bands: int
    band_numbers: tuple[int, ...]
    dtype: str
    nodata: float | None
    encoding: LabelEncoding
    labels_as_is: bool = False


@dataclass(frozen=True)
class MeasuringTask:
    """Tiles to measure; they belong together in some way, such as a scene.

    Attributes:
        folder: The folder that tile paths are relative to.
        format: What they must be.
        record: The file to write when they are measured.
        repeated: Parts of tiles, by their image, that are counted with other tiles.
        keep_empty: Whether tiles without any label are kept.
    """

    split: str
    folder: Path
    refs: tuple[TileRef, ...]
    format: TileFormat
    record: Path
    repeated: Mapping[str, Parts] = field(default_factory=dict)
    keep_empty: bool = True


def measuring_tasks(
    tiles: Mapping[str, Sequence[TileRef]],
    shapes: Mapping[str, tuple[int, int]],
    form: TileFormat,
    root: Path,
    folder: WorkFolder,
    by_scene: bool = False,
    keep_empty: bool = True,
) -> list[MeasuringTask]:
    """Return the tasks that measure the tiles of all splits.

    Args:
        tiles: By split.
        shapes: Height and width of the images that they were cut from, by name.
        form: What the tiles must be.
        root: The folder that tile paths are relative to.
        folder: Holds the records.
        by_scene: Whether every task is of one scene.
        keep_empty: Whether tiles without any label are kept.
    """
    tasks: list[MeasuringTask] = []
    for split, refs in tiles.items():
        repeated = repeated_parts(refs, shapes, form.size)
        scenes: dict[str, list[TileRef]] = defaultdict(list)
        for ref in refs:
            scenes[ref.scene if by_scene else ""].append(ref)
        for _, own in sorted(scenes.items()):
            for start in range(0, len(own), _AT_ONCE):
                part = tuple(own[start : start + _AT_ONCE])
                record = folder.record(f"{split}-{len(tasks)}")
                shown = {ref.image: repeated[ref.image] for ref in part if ref.image in repeated}
                tasks.append(MeasuringTask(split, root, part, form, record, shown, keep_empty))
    return tasks


def measure_tiles(task: MeasuringTask) -> int:
    """Read tiles, count what is in them, and write the record that says so.

    Its facts are the `problems` (path and reason) of tiles that cannot be used, the tiles that are
    `empty` and left out, and the number of `unknown_pixels`; the rows of its `class_pixels` follow
    the other tiles.

    Returns:
        The number of tiles looked at.
    """
    needed = task.format
    classes = len(needed.encoding.classes)
    statistics = BandStatistics.empty(len(needed.band_numbers), needed.dtype)
    counts, problems, empty, unknown = [], [], list[str](), 0
    with cutting_environment():
        for ref in task.refs:
            check_stop()
            try:
                image, valid, label, unknown_here = _read(task.folder, ref, needed)
            except DataError as error:
                problem = problem_of(ref.image, error, task.folder)
                problems.append([problem.name, problem.reason])
                continue
            label[~valid] = IGNORE
            if not task.keep_empty and (label == IGNORE).all() and not unknown_here.any():
                empty.append(ref.image)
                continue
            first = first_shown(task.repeated.get(ref.image, ()), needed.size)
            statistics.add(image, valid & first)
            counts.append(class_counts(label[first], classes))
            unknown += int(np.count_nonzero(unknown_here & first))
    rows = np.stack(counts) if counts else np.zeros((0, classes + 1), np.int64)
    facts = {"problems": problems, "empty": empty, "unknown_pixels": unknown}
    save_measurements(task.record, Measurements(task.record.stem, facts, rows, statistics))
    return len(task.refs)


def _read(
    folder: Path, ref: TileRef, needed: TileFormat
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    image, valid, place = read_image(folder, ref, needed)
    path = path_inside(folder, ref.label)
    with open_label(path, needed.encoding) as raster:
        if (raster.height, raster.width) != (needed.size, needed.size):
            raise DataError(
                f"{path}: has {raster.width} x {raster.height} pixels, but its image has "
                f"{needed.size} x {needed.size}."
            )
        if not needed.labels_as_is:
            refuse_other_grid(raster, place)
        label, unknown = raster.read(Window(0, 0, needed.size, needed.size))
    return image, valid, label, unknown


def read_image(
    folder: Path, ref: TileRef, needed: TileFormat
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], StoredGrid]:
    """Return the band values (B, size, size) of a tile, where they are valid, and where it lies.

    Raises:
        DataError: It cannot be read, or is unlike the others.
    """
    path = path_inside(folder, ref.image)
    with open_raster(path) as scene:
        count = scene.dataset.count
        if (scene.height, scene.width) != (needed.size, needed.size):
            raise DataError(
                f"{path}: has {scene.width} x {scene.height} pixels, but most have "
                f"{needed.size} x {needed.size}."
            )
        if count != needed.file_bands:
            raise DataError(f"{path}: has {count} bands, but most have {needed.file_bands}.")
    with open_raster(path, needed.band_numbers, needed.nodata) as scene:
        if scene.dtype != needed.dtype:
            raise DataError(f"{path}: holds {scene.dtype} values, but most hold {needed.dtype}.")
        return *scene.read_with_validity(Window(0, 0, needed.size, needed.size)), scene.stored
