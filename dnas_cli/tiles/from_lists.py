"""A tile set of tiles that were cut elsewhere, by their list files; nothing is copied."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from dnas_cli.console import logger, progress
from dnas_cli.datasets.description import PER_IMAGE, DatasetDescription
from dnas_cli.datasets.discovery import Problem
from dnas_cli.datasets.inspection import choose_bands, refuse_absurd, refuse_nodata
from dnas_cli.errors import DataError, Interrupted, UsageError
from dnas_cli.files import changed_after
from dnas_cli.scenes.band_statistics import BandStatistics
from dnas_cli.scenes.georeference import unit_name
from dnas_cli.scenes.ground import ground_resolution
from dnas_cli.scenes.label_survey import settled_encoding
from dnas_cli.scenes.labels import open_label
from dnas_cli.scenes.raster import open_raster
from dnas_cli.tiles.dataset_json import TileSetContent, write_tile_set
from dnas_cli.tiles.listed_shapes import image_shapes
from dnas_cli.tiles.listed_tiles import existing_tiles, find_lists, leaks_between
from dnas_cli.tiles.lists import SPLITS, TileRef, place_of, read_list
from dnas_cli.tiles.measure_tiles import (
    MeasuringTask,
    TileFormat,
    measure_tiles,
    measuring_tasks,
    read_image,
)
from dnas_cli.tiles.measurements import load_measurements, required_measurements
from dnas_cli.tiles.problems import nothing_useful, warn_skipped, warn_unknown_pixels
from dnas_cli.tiles.refusal import refuse_other_settings
from dnas_cli.tiles.result import TileSetResult, tile_set_result
from dnas_cli.tiles.settings import TilingOptions, TilingSettings
from dnas_cli.tiles.work_folder import WorkFolder
from dnas_cli.tiles.workers import run_tasks


class GroundFacts(TypedDict):
    """Fields of `TileSetContent` about the ground."""

    ground_resolution: float | None
    crs_unit: str | None


_LOOKED_AT = 30  # tiles of a split, evenly spaced, that show what all are; 59 at most


def tile_set_from_lists(
    source: Path,
    out: Path,
    lists: Sequence[Path],
    settings: TilingSettings,
    options: TilingOptions,
) -> TileSetResult:
    """Make a tile set of tiles that are cut already.

    Every tile is read once, to check it and to measure bands and classes. Of the settings, the
    description and what is said of labels matter.

    Raises:
        DataError: No tile can be used, or the description normalises per image.
        RunStateError: What is in `out` is in the way.
        UsageError: It is not clear which list is for which split, or a setting needs scenes.
        Interrupted: The user stopped it.
    """
    description, max_unknown = settings.description, settings.max_unknown
    if settings.resample is not None:
        raise UsageError("resample=...: tiles of from_lists=... are cut already.", "Cut scenes.")
    if description.aoi is not None:
        raise DataError(
            f"{source}: tiles of lists are read as they are, without an `aoi`.",
            "Cut the scenes themselves, or leave `aoi` out.",
        )
    if description.per_image:
        raise DataError(
            f"{source}: existing tiles do not hold the moments of their whole images, "
            f"which `normalisation: {PER_IMAGE}` of the dataset {description.name} needs.",
            "Cut the scenes themselves, or give constants.",
        )
    folder = WorkFolder(out)
    folder.refuse_foreign()
    files = find_lists(lists, description.lists)
    chosen = {
        "dataset": description.to_json(),
        "from_lists": {split: _list_facts(path) for split, path in files.items()},
        "max_unknown": max_unknown,
        **({"keep_empty": True} if settings.keep_empty else {}),
        **({"labels_as_is": True} if settings.labels_as_is else {}),
    }
    if folder.is_finished and not options.overwrite:
        refuse_other_settings(out, chosen, {})
        folder.end()  # which a process that was killed may not have reached
        return tile_set_result(out, (), made=False)
    listed = {split: read_list(path) for split, path in files.items()}
    refs, problems = existing_tiles(source, listed)
    leaks = leaks_between(listed)
    warn_skipped(leaks + problems if options.strict else problems, options.strict)
    for leak in leaks:
        logger.warning("%s: %s", leak.name, leak.reason)
    encoding = settled_encoding(
        description.encoding,
        [source / ref.label for entries in refs.values() for ref in entries],
    )
    if encoding.grey_is_index:
        logger.info("grey labels are taken for class indices, 255 unlabelled")
    described = replace(description, encoding=encoding)
    form, bands = _format_of(source, refs, described, len(problems))
    form = replace(form, labels_as_is=settings.labels_as_is)
    refuse_nodata(form.nodata, form.dtype, source)
    with folder.lock():
        folder.begin({"source": str(source.resolve()), **chosen}, options.overwrite)
        shapes = image_shapes(
            (ref for entries in refs.values() for ref in entries),
            lambda ref: read_image(source, ref, form)[0],
            form.size,
        )
        tasks = measuring_tasks(refs, shapes, form, source, folder, True, settings.keep_empty)
        count = sum(len(task.refs) for task in tasks)
        _measure_all(tasks, options.processes(count * form.size**2))
        measured = _Measured(form, max_unknown, shapes)
        measured.read(tasks)
        warn_skipped(measured.problems, options.strict)
        problems += measured.problems
        if measured.empty:
            logger.info(
                "%d tiles without any label are left out (keep_empty=True keeps them)",
                measured.empty,
            )
        if not any(measured.tiles.values()):
            folder.abandon()
            raise nothing_useful(source, len(problems))
        warn_unknown_pixels(measured.sources)
        content = TileSetContent(
            description=description,
            settings=chosen,
            tiles_folder=Path(os.path.relpath(source.resolve(), out.resolve())).as_posix(),
            source=None,
            bands=bands,
            band_numbers=form.band_numbers,
            dtype=form.dtype,
            tile_size=form.size,
            nodata=form.nodata,
            encoding=form.encoding,
            source_encoding=form.encoding,
            tiles=measured.tiles,
            class_pixels=measured.class_pixels,
            statistics=measured.statistics,
            sources=measured.sources,
            skipped=problems,
            **_ground(source, measured.tiles),
        )
        write_tile_set(out, content)
        folder.end()
    return tile_set_result(out, problems, made=True)


def _list_facts(path: Path) -> dict[str, str]:
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _format_of(
    source: Path,
    refs: Mapping[str, Sequence[TileRef]],
    description: DatasetDescription,
    problems: int,
) -> tuple[TileFormat, tuple[str, ...]]:
    """Return what most of the tiles that are looked at are; all others must be like them."""
    found: Counter[tuple[TileFormat, tuple[str, ...]]] = Counter()
    notes: dict[str, str] = {}  # the first label of each
    for entries in refs.values():
        for ref in entries[:: max(1, len(entries) // _LOOKED_AT)]:
            try:
                found[_format(source, ref, description, notes)] += 1
            except DataError as error:
                logger.debug("%s", error.what)
    if not found:
        raise nothing_useful(source, problems)
    for note, name in notes.items():
        logger.warning("labels such as %s: label %s", name, note)
    form, bands = found.most_common(1)[0][0]
    return form, bands


def _format(
    source: Path, ref: TileRef, description: DatasetDescription, notes: dict[str, str]
) -> tuple[TileFormat, tuple[str, ...]]:
    path = source / ref.image
    with open_raster(path) as scene:
        refuse_absurd(path, scene.height, scene.width, len(scene.bands), scene.dtype)
        if scene.height != scene.width:
            raise DataError(f"{path}: has {scene.width} x {scene.height} pixels; tiles are square.")
        bands, numbers = choose_bands(path, scene, (), description.bands)
        size, count = scene.height, int(scene.dataset.count)
    with open_raster(path, numbers) as scene:
        dtype = scene.dtype
    with open_label(source / ref.label, description.encoding) as label:  # it can be read so
        for note in label.notes:
            notes.setdefault(note, ref.label)
    form = TileFormat(size, count, numbers, dtype, description.nodata, description.encoding)
    return form, bands


def _ground(source: Path, refs: Mapping[str, Sequence[TileRef]]) -> GroundFacts:
    """Return the ground resolution and the unit of most of the tiles that are looked at."""
    found: Counter[tuple[float | None, str | None]] = Counter()
    for entries in refs.values():
        for ref in entries[:: max(1, len(entries) // _LOOKED_AT)]:
            with open_raster(source / ref.image) as tile:
                place = tile.georeference
                metres = ground_resolution(place, tile.height, tile.width)
                found[metres and float(f"{metres:.3g}"), unit_name(place)] += 1
    metres, unit = found.most_common(1)[0][0]
    return {"ground_resolution": metres, "crs_unit": unit}


def _measure_all(tasks: Sequence[MeasuringTask], workers: int) -> None:
    left = [task for task in tasks if not _is_measured(task)]
    if len(left) < len(tasks):
        done = sum(len(task.refs) for task in tasks) - sum(len(task.refs) for task in left)
        logger.info("resuming: %d tiles are checked already", done)
    with progress("checking tiles", sum(len(task.refs) for task in left), "tile") as advance:
        try:
            for count in run_tasks(measure_tiles, left, workers):
                advance(count)
        except KeyboardInterrupt as error:
            raise Interrupted(
                "interrupted while tiles were checked.",
                "Run the same command again; it resumes.",
            ) from error


def _is_measured(task: MeasuringTask) -> bool:
    """Whether tiles were measured before, and none has changed since."""
    if load_measurements(task.record) is None:
        return False
    written = task.record.stat().st_mtime_ns
    files = (task.folder / path for ref in task.refs for path in (ref.image, ref.label))
    return not any(changed_after(file, written) for file in files)


class _Measured:
    """What the records of all tiles say together."""

    def __init__(
        self, form: TileFormat, max_unknown: float, shapes: Mapping[str, tuple[int, int]]
    ) -> None:
        self._pixels, self._max_unknown, self._shapes = form.size**2, max_unknown, shapes
        self.tiles: dict[str, list[TileRef]] = {split: [] for split in SPLITS}
        self.problems: list[Problem] = []
        self.empty = 0
        self.sources: list[dict[str, Any]] = []
        self.statistics = BandStatistics.empty(len(form.band_numbers), form.dtype)
        classes = len(form.encoding.classes)
        self.class_pixels: dict[str, npt.NDArray[np.int64]] = {
            split: np.zeros(classes + 1, np.int64) for split in SPLITS
        }

    def read(self, tasks: Sequence[MeasuringTask]) -> None:
        groups: dict[tuple[str, str], list[MeasuringTask]] = defaultdict(list)
        for task in tasks:
            groups[task.split, task.refs[0].scene].append(task)
        for (split, scene), parts in groups.items():
            self._add(split, scene, parts)

    def _add(self, split: str, scene: str, parts: Sequence[MeasuringTask]) -> None:
        measured = [required_measurements(part.record) for part in parts]
        unknown = sum(int(part.facts["unknown_pixels"]) for part in measured)
        pixels = sum(len(part.class_pixels) for part in measured) * self._pixels
        bad = {image: reason for part in measured for image, reason in part.facts["problems"]}
        self.problems += [Problem(image, reason) for image, reason in bad.items()]
        if pixels and unknown > self._max_unknown * pixels:
            self.problems.append(
                Problem(
                    scene,
                    f"{unknown / pixels:.1%} of its labels are of no known colour or value; at "
                    f"most {self._max_unknown:.1%} may be (max_unknown=...)",
                )
            )
            return
        empty = {image for part in measured for image in part.facts["empty"]}
        self.empty += len(empty)
        good = [ref for part in parts for ref in part.refs if ref.image not in bad.keys() | empty]
        if not good:
            return
        self.tiles[split] += good
        images = {place[0] for ref in good if (place := place_of(ref)) is not None}
        known = {name: list(self._shapes[name]) for name in sorted(images & self._shapes.keys())}
        self.sources.append(
            {
                "scene": scene,
                "split": split,
                "tiles": len(good),
                "unknown_pixels": unknown,
                **({"images": known} if known else {}),
            }
        )
        for part in measured:
            self.class_pixels[split] += part.class_pixels.sum(axis=0)
            if split == "train":
                self.statistics.merge(part.statistics)
