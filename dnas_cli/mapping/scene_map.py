"""One scene to its map: choose bands, stream it through the network, write the outputs."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dnas_cli import __version__
from dnas_cli.console import as_bytes, logger, progress
from dnas_cli.errors import DataError, Interrupted, RunStateError
from dnas_cli.files import file_hash, refuse_existing
from dnas_cli.interruption import Interruption
from dnas_cli.mapping.areas import AreaOptions, Counted, count_classes, write_areas
from dnas_cli.mapping.error_matrix import ErrorMatrix, read_error_matrix
from dnas_cli.mapping.label_comparison import SceneLabels
from dnas_cli.mapping.map_identity import map_identity
from dnas_cli.mapping.map_item import write_map_item
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.memory import GDAL_CACHE, estimate_memory
from dnas_cli.mapping.open_scene import SceneReading, open_scene
from dnas_cli.mapping.outputs import Outputs
from dnas_cli.mapping.read_ahead import written_behind
from dnas_cli.mapping.refinement import refine
from dnas_cli.mapping.scene_result import ClassShare, SceneResult
from dnas_cli.mapping.stored_grid import Regrid, stored_scene, to_grid_of
from dnas_cli.mapping.stream import stream_map
from dnas_cli.mapping.unfinished_map import UnfinishedMap
from dnas_cli.mapping.write_outputs import check_outputs, write_outputs
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.clip import Clip, read_clip, touches
from dnas_cli.scenes.map_metadata import KEY, MODEL, SCENE
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Raster, block_cache
from dnas_cli.scenes.scene_files import SceneFiles, content_of, local_file, state_of
from dnas_cli.scenes.zones import Zone, read_zones


def map_scene(
    mapper: Mapper,
    path: str | SceneFiles,
    reading: SceneReading,
    outputs: Outputs,
    overwrite: bool = False,
    labels: SceneLabels | None = None,
) -> SceneResult:
    """Map one scene and write its outputs.

    After an interruption, the next call resumes from the last finished rows.

    Args:
        outputs: The files to write.
        overwrite: Replace outputs that exist.
        labels: Labels of the scene to compare the map with.

    Raises:
        DataError: The scene is damaged or does not fit the model.
        RunStateError: An output exists, or another process writes it.
        Interrupted: The user stopped it; the state is saved.
    """
    began = time.monotonic()
    warnings: list[str] = []
    check_outputs(outputs)

    def warn(text: str) -> None:
        warnings.append(text)
        logger.warning("%s: %s", path, text)

    facts = mapper.model.facts
    with (
        block_cache(GDAL_CACHE),
        open_scene(facts, path, reading, warn) as scene,
        stored_scene(facts, path, reading, scene) as stored,
    ):
        check_outputs(outputs, scene.path, scene.georeference)
        unknown = labels.check(stored) if labels else 0
        classes = outputs.refinement.classes(facts.classes)
        smallest = outputs.refinement.smallest_patch(
            scene.path, stored.georeference, stored.height, stored.width
        )
        zones, matrix = _area_inputs(outputs.areas, stored, classes)
        clip, key = scene_clip(scene, reading), scene_key(mapper, scene, reading)
        with open_rows(mapper, scene, outputs, key, to_grid_of(stored)) as unfinished:
            _refuse(outputs, overwrite, unfinished)
            resumed = unfinished.rows
            with _interruption_explained(scene, unfinished):
                speed = _predict(mapper, scene, unfinished, outputs, clip)
                indices = refine(unfinished, outputs.refinement, len(facts.classes), smallest)
                tags = {
                    "DNAS_VERSION": __version__,
                    MODEL: mapper.model_id,
                    KEY: map_identity(mapper, path, reading, outputs.refinement),
                    SCENE: content_of(path),
                }
                if scene_key(mapper, scene, reading) != key:
                    raise DataError(
                        f"{scene.path}: was replaced while it was mapped.",
                        "Run the same command again.",
                    )
                counted = count_classes(indices, stored.georeference, zones)
                if target := outputs.beside.get("areas"):
                    unfinished.begin_output(target)
                    write_areas(target, counted, classes, matrix)
                count = write_outputs(unfinished, indices, outputs, classes, stored, tags)
                if item := outputs.beside.get("stac"):
                    unfinished.begin_output(item)
                    write_map_item(item, outputs, stored, classes, mapper)
                score = None
                if labels is not None:
                    score = labels.compare(stored, unknown, indices)
            unfinished.discard()
        return SceneResult(
            scene.path,
            "done",
            outputs.files,
            width=stored.width,
            height=stored.height,
            bands=scene.bands,
            nodata=None if scene.nodata is None or math.isnan(scene.nodata) else scene.nodata,
            pixels_without_data=int(counted[0].pixels[IGNORE]),
            map_nodata=outputs.values.nodata,
            map_values=outputs.values.kind,
            classes=_shares(classes, counted[0]),
            window=mapper.grid.window,
            overlap=mapper.grid.overlap,
            polygons=tuple((path, count) for path in outputs.polygon_files),
            truth=score,
            resumed_from_row=resumed,
            warnings=tuple(warnings),
            megapixels_per_second=speed,
            seconds=round(time.monotonic() - began, 3),
        )


def open_rows(
    mapper: Mapper,
    scene: Raster,
    outputs: Outputs,
    key: dict[str, Any],
    shown: Regrid = lambda rows: rows,
) -> UnfinishedMap:
    """Return the unfinished rows of a scene's map, to be opened by `with`.

    Args:
        mapper: The model.
        scene: The scene.
        outputs: The files to write; the rows are kept beside the first one.
        key: As `scene_key` returns it.
        shown: Brings finished rows to the grid of the outputs.
    """
    bands = outputs.bands(len(mapper.model.facts.classes))
    return UnfinishedMap(outputs.files[0], key, scene.height, scene.width, bands, shown)


def scene_clip(scene: Raster, reading: SceneReading) -> Clip | None:
    """Return what of a scene is to be mapped; None for all.

    Raises:
        DataError: It covers nothing of the scene.
    """
    if reading.clip is None:
        return None
    clip = read_clip(reading.clip, scene.path, scene.georeference)
    if not touches(clip, scene):
        raise DataError(f"{reading.clip}: does not cover a pixel of {scene.path}.")
    return clip


@contextmanager
def _interruption_explained(scene: Raster, unfinished: UnfinishedMap) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"{scene.path}: interrupted; {unfinished.rows} of {scene.height} rows are finished.",
            "Run the same command again to resume.",
        ) from error


def _refuse(outputs: Outputs, overwrite: bool, unfinished: UnfinishedMap) -> None:
    """Refuse to replace outputs, except those that the interrupted call started to write."""
    try:
        for path in outputs.files:
            refuse_existing(path, overwrite or path.name in unfinished.outputs)
    except RunStateError:
        if unfinished.rows == 0:
            unfinished.discard()
        raise


def scene_key(mapper: Mapper, scene: Raster, reading: SceneReading) -> dict[str, Any]:
    """Return the conditions for resuming an unfinished map, as plain data."""
    state, *behind = state_of(scene.path)
    grid = mapper.grid
    several = {"files": [state_of(name) for name in scene.files]} if scene.files else {}
    return {
        **several,
        **({"made_of": behind} if behind else {}),
        "dnas": __version__,
        "model": mapper.model_id,
        "scene": scene.path if isinstance(state, str) else str(Path(scene.path).resolve()),
        "scene_state": state,
        "size": [scene.height, scene.width],
        "bands": list(scene.bands),
        # As text: NaN does not equal itself.
        "nodata": str(scene.nodata),
        "scaled": reading.scaled,
        "clip": None if reading.clip is None else file_hash(reading.clip),
        "windows": [grid.window, grid.overlap, grid.shift],
        "views": mapper.settings.views,
        "batch": mapper.predictor.batch,  # other batches round otherwise
        "device": mapper.device.type,
        **({} if mapper.dtype == torch.float32 else {"precision": str(mapper.dtype)}),
        "engine": mapper.engine,
    }


def _predict(
    mapper: Mapper,
    scene: Raster,
    unfinished: UnfinishedMap,
    outputs: Outputs,
    clip: Clip | None,
) -> float | None:
    """Finish the rows of the unfinished map.

    Returns:
        Megapixels of the scene per second; None if all rows were finished before.
    """
    if unfinished.rows == scene.height:
        logger.info("%s: all rows are finished; writing the outputs", scene.path)
        return None
    grid = mapper.grid
    estimate = estimate_memory(
        mapper.process_bytes,
        scene.width,
        len(scene.bands),
        scene.stored_dtype,
        mapper.predictor,
        grid,
        sum(outputs.bands(mapper.predictor.classes).values()),
        bool(outputs.polygon_files),
        outputs.refinement.sieve is not None,
    )
    logger.info(
        "%s: %d x %d pixels, windows of %d, overlap %d, on %s; about %s of memory",
        scene.path,
        scene.width,
        scene.height,
        grid.window,
        grid.overlap,
        mapper.device,
        as_bytes(estimate.total),
    )
    logger.debug(
        "memory: process %s, rows %s, windows %s, then strips of the map %s",
        as_bytes(estimate.process),
        as_bytes(estimate.rows),
        as_bytes(estimate.windows),
        as_bytes(estimate.strips),
    )
    if unfinished.rows:
        logger.info("%s: resuming at row %d of %d", scene.path, unfinished.rows, scene.height)
    rows, columns = grid.spans(scene.height), grid.spans(scene.width)
    left = sum(1 for span in rows if span.start + grid.window > unfinished.rows) * len(columns)
    began, known, unsound = time.monotonic(), unfinished.rows, 0
    try:
        predictor = mapper.predictor_of(scene)
        with (
            progress(f"map {Path(scene.path).name}", left, "window") as advance,
            Interruption() as interruption,
            written_behind(unfinished.append) as write,
        ):
            finished = stream_map(
                scene,
                predictor,
                grid,
                known,
                outputs.with_probabilities,
                window_done=_announcing_stop(interruption, advance),
                clip=clip,
                with_certainty=outputs.with_certainty,
            )
            for map_rows in finished:
                unsound += map_rows.unsound
                write(map_rows)
                interruption.end_step()
    except DataError:
        # A damaged file stays damaged; a remote one may be back.
        if unfinished.rows == 0 or local_file(scene.path) is not None:
            unfinished.discard()
        raise
    if unsound:
        logger.warning(
            "%s: %d pixels are without data in the map, because the network gives them no "
            "probabilities that sum to 1; their values are far from those it was trained on",
            scene.path,
            unsound,
        )
    seconds = time.monotonic() - began
    megapixels = (scene.height - known) * scene.width / 1e6
    logger.info(
        "%s: %.2f megapixels in %.1f s, %.2f megapixels/s",
        scene.path,
        megapixels,
        seconds,
        megapixels / seconds,
    )
    return round(megapixels / seconds, 4)


def _announcing_stop(
    interruption: Interruption, advance: Callable[[int], None]
) -> Callable[[int], None]:
    """Let `advance` also say once that the current rows are finished first, which may take long."""
    announced = False

    def done(count: int) -> None:
        nonlocal announced
        advance(count)
        if interruption.requested and not announced:
            announced = True
            logger.info("stopping at the end of these rows; Ctrl-C again stops at once")

    return done


def _area_inputs(
    options: AreaOptions, scene: Raster, classes: tuple[LandClass, ...]
) -> tuple[tuple[Zone, ...], ErrorMatrix | None]:
    zones: tuple[Zone, ...] = ()
    if options.zones is not None:
        zones = read_zones(options.zones, options.zone_field, scene.path, scene.georeference)
    if options.error_matrix is None:
        return zones, None
    return zones, read_error_matrix(options.error_matrix, [item.name for item in classes])


def _shares(classes: tuple[LandClass, ...], found: Counted) -> tuple[ClassShare, ...]:
    valid, areas = int(found.pixels[:IGNORE].sum()), found.square_metres
    return tuple(
        ClassShare(
            index,
            item.name,
            pixels,
            pixels / valid if valid else 0.0,
            None if areas is None else float(areas[index]) / 1e6,
        )
        for index, item in enumerate(classes)
        for pixels in [int(found.pixels[index])]
    )
