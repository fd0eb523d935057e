"""Making a tile set from scenes and labels: find, look at, cut and measure, split, write."""

import os
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.console import logger, progress
from dnas_cli.datasets.description import DatasetDescription
from dnas_cli.datasets.discovery import Pair, Problem, find_pairs
from dnas_cli.datasets.inspection import (
    ImageFacts,
    Inspection,
    agreeing,
    common_nodata,
    inspect,
    refuse_nodata,
)
from dnas_cli.errors import Interrupted, OtherShardsMissing, RunStateError
from dnas_cli.scenes.band_statistics import BandStatistics
from dnas_cli.scenes.label_encoding import LabelEncoding, tile_encoding
from dnas_cli.scenes.label_survey import settled_encoding
from dnas_cli.tiles.cutting import CuttingTask, cut_image, tile_refs, written_refs
from dnas_cli.tiles.dataset_json import TileSetContent, write_tile_set
from dnas_cli.tiles.ground_overlaps import overlapping_scenes
from dnas_cli.tiles.lists import SPLITS, TileRef
from dnas_cli.tiles.measure_tiles import TileFormat, measure_tiles, measuring_tasks
from dnas_cli.tiles.measurements import (
    Measurements,
    class_sums,
    load_measurements,
    required_measurements,
    source_facts,
)
from dnas_cli.tiles.named_scenes import check_named_scenes, split_with_names
from dnas_cli.tiles.problems import (
    nothing_useful,
    warn_alpha,
    warn_notes,
    warn_resolutions,
    warn_skipped,
    warn_small_images,
    warn_unknown_pixels,
    warn_values,
)
from dnas_cli.tiles.refusal import refuse_other_settings
from dnas_cli.tiles.result import TileSetResult, tile_set_result
from dnas_cli.tiles.settings import TilingOptions, TilingSettings
from dnas_cli.tiles.source_files import files_of, is_changed
from dnas_cli.tiles.work_folder import WorkFolder
from dnas_cli.tiles.workers import run_tasks

_LOOKED_AT = 1 << 14  # pixels that are cut in the time that looking at an image takes


def make_tile_set(
    source: Path, out: Path, settings: TilingSettings, options: TilingOptions
) -> TileSetResult:
    """Cut scenes with labels into a tile set, or resume that.

    Raises:
        DataError: No image can be used.
        RunStateError: What is in `out` is in the way.
        UsageError: A scene was named that does not exist.
        Interrupted: The user stopped it.
        OtherShardsMissing: Other shards are to be cut before the tile set is finished.
    """
    folder = WorkFolder(out)
    folder.refuse_foreign()
    pairs, problems = find_pairs(source, settings.description, out)
    if folder.is_finished and not options.overwrite:
        files = {name: source / name for pair in pairs for name in pair.files}
        refuse_other_settings(out, settings.to_json(), files)
        folder.end()  # which a process that was killed may not have reached
        return tile_set_result(out, (), made=False)
    described = _settled(source, pairs, settings.description)
    images, unfit = _inspected(source, pairs, described, settings, options)
    problems += unfit
    check_named_scenes(settings, {pair.scene for pair in pairs})
    warn_skipped(problems, options.strict)
    if not images:
        raise nothing_useful(source, len(problems))
    for facts in images:
        refuse_nodata(settings.description.nodata, facts.dtype, source / facts.pair.image)
    warn_small_images(images, settings.size)
    warn_alpha(images)
    warn_notes(images)
    warn_resolutions(images)
    content = {"source": str(source.resolve()), **settings.to_json()}
    tasks = [_cutting_task(source, folder, facts, settings, described.encoding) for facts in images]
    shares = not options.shard.is_all
    if shares:
        _cut_shard(folder, content, tasks, options)
    with folder.lock(wait=shares):
        if shares and folder.is_finished:
            return tile_set_result(out, problems, made=False)
        folder.begin(content, options.overwrite and not shares)
        # The shards checked their own images just now.
        left = [
            task
            for task in tasks
            if not (load_measurements(task.record) if shares else _is_done(task))
        ]
        damaged = _cut_all(tasks, left, options)
        warn_skipped(damaged, options.strict)
        problems += damaged
        bad = {problem.name for problem in damaged}
        done = [task for task in tasks if task.facts.pair.image not in bad]
        if not done:
            folder.abandon()
            raise nothing_useful(source, len(problems))
        _finish(source, folder, done, settings, problems, options)
        folder.end()
    return tile_set_result(out, problems, made=True)


def _settled(
    source: Path, pairs: Sequence[Pair], description: DatasetDescription
) -> DatasetDescription:
    """Return the description with what the label files themselves say of how they are written."""
    labels = [source / name for pair in pairs for name in (pair.label, *pair.more_labels)]
    return replace(description, encoding=settled_encoding(description.encoding, labels))


def _inspected(
    source: Path,
    pairs: Sequence[Pair],
    description: DatasetDescription,
    settings: TilingSettings,
    options: TilingOptions,
) -> tuple[list[ImageFacts], list[Problem]]:
    as_is, metres = settings.labels_as_is, settings.resample
    tasks = [Inspection(source, pair, description, as_is, metres) for pair in pairs]
    # Opening a file takes a millisecond; processes pay only for very many.
    workers = options.processes(len(tasks) * _LOOKED_AT) if len(tasks) > 1000 else 1
    found = []
    with progress("looking at images", len(tasks), "image") as advance:
        for result in run_tasks(inspect, tasks, workers):
            found.append(result)
            advance(1)
    images = [item for item in found if isinstance(item, ImageFacts)]
    images, disagreeing = agreeing(sorted(images, key=lambda facts: facts.pair.key))
    unfit = [item for item in found if isinstance(item, Problem)] + disagreeing
    return images, sorted(unfit, key=lambda problem: problem.name)


def _cutting_task(
    source: Path,
    folder: WorkFolder,
    facts: ImageFacts,
    settings: TilingSettings,
    encoding: LabelEncoding,
) -> CuttingTask:
    return CuttingTask(
        source=source,
        out=folder.root,
        record=folder.record(facts.pair.key),
        facts=facts,
        size=settings.size,
        encoding=encoding,
        nodata=settings.description.nodata,
        max_unknown=settings.max_unknown,
        per_image=settings.description.per_image,
        labels_as_is=settings.labels_as_is,
        keep_empty=settings.keep_empty,
    )


def _cut_shard(
    folder: WorkFolder, content: Any, tasks: Sequence[CuttingTask], options: TilingOptions
) -> None:
    """Cut a shard of the images.

    Raises:
        OtherShardsMissing: Others are to be cut.
    """
    with folder.lock(wait=True):
        folder.begin(content, options.overwrite)
    own = options.shard.of(tasks)
    left = [task for task in own if not _is_done(task)]
    warn_skipped(_cut_all(own, left, options), options.strict)
    if missing := folder.mark_done(options.shard):
        raise OtherShardsMissing(
            f"{folder.root}: shard {options.shard} is cut; the tile set is finished with the last "
            f"of the shards {', '.join(map(str, missing))}."
        )


def _cut_all(
    tasks: Sequence[CuttingTask], left: list[CuttingTask], options: TilingOptions
) -> list[Problem]:
    """Cut what is left; return the images that turned out to be unusable."""
    if len(left) < len(tasks):
        logger.info("resuming: %d of %d images are cut already", len(tasks) - len(left), len(tasks))
    # The largest first, so that no worker is left alone with one of them at the end.
    left.sort(key=lambda task: -task.facts.height * task.facts.width)
    workers = options.processes(sum(task.facts.height * task.facts.width for task in left))
    problems, finished = [], 0
    with progress("cutting", len(left), "image") as advance:
        try:
            for problem in run_tasks(cut_image, left, workers):
                advance(1)
                finished += 1
                if problem is not None:
                    problems.append(problem)
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"interrupted after {len(tasks) - len(left) + finished} of {len(tasks)} images.",
                "Run the same command again; it resumes.",
            ) from error
    return sorted(problems, key=lambda problem: problem.name)


def _is_done(task: CuttingTask) -> bool:
    """Whether an image was cut before, and neither it nor its tiles have changed since."""
    measurements = load_measurements(task.record)
    if measurements is None:
        return False
    refs = tile_refs(task.facts, task.size)
    if measurements.class_pixels.shape != (len(refs), len(task.encoding.classes) + 1):
        return False
    if not _has_same_source(task, measurements):
        return False
    # After a power cut, a file that was never flushed is there but holds anything.
    kept = [ref for ref, _ in written_refs(task, measurements)]
    return len(measurements.checksums) == len(kept) and all(
        _checksum(task.out / path) == checksum
        for ref, both in zip(kept, measurements.checksums.tolist(), strict=True)
        for path, checksum in zip((ref.image, ref.label), both, strict=True)
    )


def _has_same_source(task: CuttingTask, measurements: Measurements) -> bool:
    """Whether the files of an image are those that it was cut from."""
    written = task.record.stat().st_mtime_ns
    return not any(
        is_changed(task.source / known["path"], known, written)
        for known in files_of(measurements.facts)
    )


def _checksum(path: Path) -> int | None:
    try:
        return zlib.crc32(path.read_bytes())
    except OSError:
        return None


def _finish(
    source: Path,
    folder: WorkFolder,
    done: Sequence[CuttingTask],
    settings: TilingSettings,
    problems: Sequence[Problem],
    options: TilingOptions,
) -> None:
    """Split what is cut, measure the training split, and write the tile set's description."""
    counts: dict[str, npt.NDArray[np.int64]] = {}
    tiles_of: dict[str, list[TileRef]] = defaultdict(list)
    scene_of_unit: dict[str, str] = {}
    sources = []
    for task in done:
        measurements = required_measurements(task.record)
        if not _has_same_source(task, measurements):
            raise RunStateError(
                f"{source / task.facts.pair.image}: changed while the tile set was made.",
                "Run the same command again.",
            )
        sources.append(source_facts(task.facts, measurements))
        for ref, pixels in written_refs(task, measurements):
            unit = ref.scene if settings.split_by == "scene" else ref.image
            scene_of_unit[unit] = ref.scene
            tiles_of[unit].append(ref)
            counts[unit] = counts.get(unit, 0) + pixels
    warn_unknown_pixels(sources)
    warn_values(sources)
    groups = overlapping_scenes([task.facts for task in done]) if settings.groups_overlaps else {}
    by_folder = {
        task.facts.pair.scene: task.facts.pair.split
        for task in done
        if task.facts.pair.split is not None
    }
    shapes = {task.facts.pair.key: (task.facts.height, task.facts.width) for task in done}
    split = split_with_names(counts, scene_of_unit, settings, by_folder, groups, shapes)
    tiles = {
        name: [ref for unit in sorted(split) if split[unit] == name for ref in tiles_of[unit]]
        for name in SPLITS
    }
    if settings.split_by == "scene":
        class_pixels = class_sums(counts, split, len(settings.description.classes))
        statistics = _training_statistics(done, split)
    else:
        class_pixels, statistics = _measured(folder, done, tiles, settings, options)
    first = done[0].facts
    content = TileSetContent(
        description=settings.description,
        settings=settings.to_json(),
        tiles_folder=".",
        source=Path(os.path.relpath(source.resolve(), folder.root.resolve())).as_posix(),
        bands=first.bands,
        band_numbers=tuple(range(1, len(first.bands) + 1)),
        dtype=first.dtype,
        tile_size=settings.size,
        nodata=common_nodata([task.facts for task in done]),
        encoding=tile_encoding(settings.description.classes),
        source_encoding=done[0].encoding,
        tiles=tiles,
        class_pixels=class_pixels,
        statistics=statistics,
        sources=sources,
        skipped=problems,
        ground_resolution=_median([task.facts.resolution for task in done]),
        crs_unit=_shared([task.facts.crs_unit for task in done]),
    )
    write_tile_set(folder.root, content)


def _median(resolutions: Sequence[float | None]) -> float | None:
    known = [resolution for resolution in resolutions if resolution]
    return float(np.median(known)) if known else None


def _shared(units: Sequence[str | None]) -> str | None:
    return units[0] if len(set(units)) == 1 else None


def _training_statistics(done: Sequence[CuttingTask], split: Mapping[str, str]) -> BandStatistics:
    facts = done[0].facts
    total = BandStatistics.empty(len(facts.bands), facts.dtype)
    for image in done:
        if split.get(image.facts.pair.scene) == "train":
            total.merge(required_measurements(image.record).statistics)
    return total


def _measured(
    folder: WorkFolder,
    done: Sequence[CuttingTask],
    tiles: Mapping[str, Sequence[TileRef]],
    settings: TilingSettings,
    options: TilingOptions,
) -> tuple[dict[str, npt.NDArray[np.int64]], BandStatistics]:
    """Return class pixels per split and statistics of the training split, of a split by tile.

    Measurements know whole images only: which pixels of a tile count depends on the splits of its
    neighbours.
    """
    facts, classes = done[0].facts, settings.description.classes
    numbers = tuple(range(1, len(facts.bands) + 1))
    encoding = tile_encoding(classes)
    form = TileFormat(settings.size, len(numbers), numbers, facts.dtype, None, encoding)
    shapes = {task.facts.pair.key: (task.facts.height, task.facts.width) for task in done}
    tasks = measuring_tasks(tiles, shapes, form, folder.root, folder)
    total_tiles = sum(map(len, tiles.values()))
    processes = options.processes(total_tiles * settings.size**2)
    with progress("measuring the splits", total_tiles, "tile") as advance:
        for count in run_tasks(measure_tiles, tasks, processes):
            advance(count)
    pixels = {split: np.zeros(len(classes) + 1, np.int64) for split in tiles}
    total = BandStatistics.empty(len(facts.bands), facts.dtype)
    for task in tasks:
        measured = required_measurements(task.record)
        pixels[task.split] += measured.class_pixels.sum(axis=0)
        if task.split == "train":
            total.merge(measured.statistics)
    return pixels, total
