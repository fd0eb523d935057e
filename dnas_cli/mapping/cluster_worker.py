"""Mapping a scene, or a strip of a huge one, in a worker of a Dask cluster."""

import logging
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from dnas_cli import console
from dnas_cli.errors import DnasError
from dnas_cli.files import atomic_path, make_folder
from dnas_cli.json_files import content_hash
from dnas_cli.mapping.blending import MapRows
from dnas_cli.mapping.map_options import Engine
from dnas_cli.mapping.mapper import Mapper, MapSettings, load_mapper
from dnas_cli.mapping.memory import GDAL_CACHE
from dnas_cli.mapping.open_scene import SceneReading, open_scene
from dnas_cli.mapping.outputs import SHARES, Outputs
from dnas_cli.mapping.scene_map import open_rows, scene_clip, scene_key
from dnas_cli.mapping.scene_maps import is_finished, map_one
from dnas_cli.mapping.scene_result import SceneResult
from dnas_cli.mapping.stream import stream_map
from dnas_cli.mapping.unfinished_map import MapInWorkError, part_folder
from dnas_cli.mapping.windows import finished_ends
from dnas_cli.scenes.raster import block_cache
from dnas_cli.scenes.scene_files import SceneFiles

_RASTERS = ("classes", *SHARES)  # fields of `MapRows`
_one_at_a_time = threading.Lock()  # of the tasks of a worker: they share the model and its memory


@dataclass(frozen=True)
class Request:
    """What a worker needs beside the scene.

    Attributes:
        model: The model file.
        model_id: Of the model in that file.
        device: Where workers compute, as `resolve_device` takes it.
        settings: Of the windows.
        engine: What runs the network.
        reading: How scenes are read.
        overwrite: Replace existing maps.
        strip_pixels: Pixels of a strip.
    """

    model: str
    model_id: str
    device: str
    settings: MapSettings
    engine: Engine
    reading: SceneReading
    overwrite: bool
    strip_pixels: int


@dataclass(frozen=True)
class Task:
    """A scene with its outputs, and the part of it that is to be mapped.

    Attributes:
        scene: The scene.
        outputs: Its files.
        strip: First row and end of a strip; None for the whole scene.
        strips: The strips that are mapped already, from the top.
    """

    scene: str | SceneFiles
    outputs: Outputs
    strip: tuple[int, int] | None = None
    strips: tuple[tuple[int, int], ...] = ()


def work(request: Request, task: Task) -> SceneResult | tuple[tuple[int, int], ...]:
    """Map a scene or a strip in a worker; return the strips of a scene that is huge instead."""
    with _one_at_a_time:
        mapper = _mapper(
            request.model, request.model_id, request.device, request.settings, request.engine
        )
        try:
            if task.strip is not None:
                return _map_strip(mapper, request, task)
            if not request.overwrite and is_finished(task.outputs):
                return SceneResult(str(task.scene), "skipped", task.outputs.files)
            if task.strips:
                _take_strips(mapper, request, task)
            elif len(strips := _strips(mapper, request, task)) > 1:
                return strips
        except MapInWorkError:
            time.sleep(1)  # a worker that the scheduler takes for dead may still be at work
            raise
        except DnasError as error:
            return SceneResult(str(task.scene), "failed", error=error.what)
        return map_one(mapper, task.scene, request.reading, task.outputs, request.overwrite)


@lru_cache(maxsize=1)
def _mapper(path: str, model_id: str, device: str, settings: MapSettings, engine: Engine) -> Mapper:
    """Load the model, once per worker."""
    console.configure(logging.WARNING)  # one process shows progress: that of the user
    mapper = load_mapper(Path(path), device, settings, engine)
    if mapper.model_id != model_id:
        raise DnasError(f"{path}: is another model than the one that was asked for.")
    return mapper


def _strips(mapper: Mapper, request: Request, task: Task) -> tuple[tuple[int, int], ...]:
    """Return first row and end of the strips of a scene."""
    with open_scene(mapper.model.facts, task.scene, request.reading, _ignore) as scene:
        ends = finished_ends(mapper.grid.spans(scene.height), scene.height)
        rows = max(request.strip_pixels // scene.width, 1)
        bounds = [0]
        for end in ends:
            if end - bounds[-1] >= rows or end == scene.height:
                bounds.append(end)
    if len(bounds) > 2 and bounds[-1] - bounds[-2] < rows / 2:
        del bounds[-2]
    return tuple(pairwise(dict.fromkeys(bounds)))


def _map_strip(mapper: Mapper, request: Request, task: Task) -> SceneResult:
    """Map a strip into a file beside the unfinished map."""
    assert task.strip is not None
    outputs = task.outputs
    with (
        block_cache(GDAL_CACHE),
        open_scene(mapper.model.facts, task.scene, request.reading, _ignore) as scene,
    ):
        first, end = task.strip
        file = _strip_file(outputs, scene_key(mapper, scene, request.reading), first, end)
        if not file.is_file():
            rows = list(
                stream_map(
                    scene,
                    mapper.predictor_of(scene),
                    mapper.grid,
                    first,
                    outputs.with_probabilities,
                    clip=scene_clip(scene, request.reading),
                    end_row=end,
                    with_certainty=outputs.with_certainty,
                )
            )
            make_folder(file.parent)
            content: dict[str, Any] = {
                name: np.concatenate([getattr(item, name) for item in rows], axis=-2)
                for name in _RASTERS
                if getattr(rows[0], name) is not None
            }
            with atomic_path(file) as temporary, temporary.open("wb") as written:
                np.savez(written, unsound=sum(item.unsound for item in rows), **content)
    return SceneResult(str(task.scene), "done")


def _take_strips(mapper: Mapper, request: Request, task: Task) -> None:
    """Add the strips of a scene to its unfinished map, in order."""
    with open_scene(mapper.model.facts, task.scene, request.reading, _ignore) as scene:
        key = scene_key(mapper, scene, request.reading)
        with open_rows(mapper, scene, task.outputs, key) as unfinished:
            for first, end in task.strips:
                known = max(unfinished.rows - first, 0)  # a worker died while it added them
                if known >= end - first:
                    continue
                strip = _strip_file(task.outputs, key, first, end)
                with np.load(strip, allow_pickle=False) as content:
                    rasters: dict[str, Any] = {
                        name: content[name][..., known:, :] if name in content else None
                        for name in _RASTERS
                    }
                    rows = MapRows(first + known, unsound=int(content["unsound"]), **rasters)
                unfinished.append(rows)


def _strip_file(outputs: Outputs, key: dict[str, Any], first: int, end: int) -> Path:
    """Return the file of a strip; another model, other settings or rasters give another one."""
    made = content_hash(key | {"rasters": sorted(outputs.beside)})
    name = f"strip-{made[-12:]}-{first}-{end}.npz"
    return part_folder(outputs.files[0]) / name


def _ignore(text: str) -> None:
    """Leave warnings to the task that writes the map."""
