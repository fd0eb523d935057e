"""Scenes, and strips of huge scenes, as tasks of a Dask cluster.

Workers share the file system with this process. A scene of many rows is mapped in strips by several
workers; a strip is the rows that a resumed map would add, so that the bits are those of one
process. A task whose worker dies goes to another one, which resumes from what is on disk.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dnas_cli import console
from dnas_cli.console import logger, progress
from dnas_cli.errors import DnasError, Interrupted, UsageError, brief
from dnas_cli.files import atomic_path, content_hash, make_folder
from dnas_cli.mapping.blending import MapRows
from dnas_cli.mapping.map_identity import refuse_other_maps
from dnas_cli.mapping.map_options import Engine
from dnas_cli.mapping.mapper import Mapper, MapSettings, load_mapper
from dnas_cli.mapping.memory import GDAL_CACHE
from dnas_cli.mapping.open_scene import SceneReading, open_scene
from dnas_cli.mapping.outputs import Outputs
from dnas_cli.mapping.scene_map import open_rows, scene_clip, scene_key
from dnas_cli.mapping.scene_maps import is_finished, map_one
from dnas_cli.mapping.scene_result import SceneResult
from dnas_cli.mapping.stream import stream_map
from dnas_cli.mapping.unfinished_map import MapInWorkError, part_folder
from dnas_cli.mapping.windows import finished_ends
from dnas_cli.scenes.opening import is_address
from dnas_cli.scenes.raster import block_cache
from dnas_cli.scenes.scene_files import SceneFiles

if TYPE_CHECKING:
    from distributed import Client, Future

STRIP_PIXELS = 200_000_000
"""Pixels of a strip; a scene of fewer than two strips is one task."""

_RETRIES = 5
_AT_A_TIME = 2000  # scenes that the scheduler knows of
_PATIENCE = 30  # seconds for an answer of the scheduler
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


def map_scenes_on(
    address: str,
    mapper: Mapper,
    device: str,
    scenes: Sequence[str | SceneFiles],
    reading: SceneReading,
    planned: Sequence[Outputs],
    overwrite: bool = False,
    strip_pixels: int | None = None,
) -> list[SceneResult]:
    """Map scenes on a cluster, as `map_scenes` does here.

    Args:
        address: Of the scheduler, such as `tcp://host:8786`.
        mapper: The model.
        device: Where workers compute, as `resolve_device` takes it. A task takes one `GPU` of a
            worker that has such a resource.
        scenes: The scenes, on a file system that the workers share.
        reading: How to read them.
        planned: The outputs of each scene.
        overwrite: Replace existing maps.
        strip_pixels: Pixels of a strip; `STRIP_PIXELS` when missing.

    Raises:
        UsageError: There is no such scheduler, or the model is in no file.
        RunStateError: A map that exists was made by another model, or of another scene.
        Interrupted: The user stopped it; the next call resumes.
        DnasError: Dask is not installed, or the cluster is gone.
    """
    if not mapper.path:
        raise UsageError("scheduler=...: workers load the model from its file.", "Save it first.")
    if not overwrite:
        refuse_other_maps(mapper, scenes, reading, planned)
    clip = None if reading.clip is None else reading.clip.resolve()
    request = Request(
        str(Path(mapper.path).resolve()),
        mapper.model_id,
        device,
        mapper.settings,
        mapper.engine,
        replace(reading, clip=clip),
        overwrite,
        strip_pixels or STRIP_PIXELS,
    )
    tasks = [
        Task(_everywhere(scene), _resolved(outputs))
        for scene, outputs in zip(scenes, planned, strict=True)
    ]
    with _connected(address) as client, progress("maps", len(tasks), "scene") as advance:
        found: dict[str | SceneFiles, SceneResult] = {}
        for task, result in _results(client, request, tasks):
            found[task.scene] = result
            if result.status == "failed":
                logger.error("%s", result.error)
            advance(1)
    results = [found[task.scene] for task in tasks]
    return [
        replace(result, scene=str(scene), outputs=outputs.files if result.outputs else ())
        for result, scene, outputs in zip(results, scenes, planned, strict=True)
    ]


def _results(
    client: "Client", request: Request, tasks: Sequence[Task]
) -> Iterator[tuple[Task, SceneResult]]:
    """Yield every scene with its result, as they come."""
    from distributed import as_completed

    resources = {"GPU": 1} if _has_gpus(client, request.device) else None
    waiting = iter(tasks)
    running: dict[str, Task] = {}  # by the key of their future
    strips_left: dict[str | SceneFiles, int] = {}  # by scene
    done = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]

    def submit(task: Task, priority: int = 0) -> None:
        future = client.submit(
            work, request, task, pure=False, retries=_RETRIES, resources=resources,
            priority=priority,
        )  # fmt: skip
        running[str(future.key)] = task
        done.add(future)  # type: ignore[no-untyped-call]

    for task in islice(waiting, _AT_A_TIME):
        submit(task)
    for future in done:
        task = running.pop(str(future.key))
        outcome = _outcome(future, task)
        if isinstance(outcome, tuple):  # a huge scene, to be mapped in these strips
            strips_left[task.scene] = len(outcome)
            for strip in outcome:
                submit(replace(task, strip=strip, strips=outcome), priority=1)
            continue
        if task.strip is not None:
            if task.scene not in strips_left:
                continue  # another strip of it failed
            if outcome.status == "done":
                strips_left[task.scene] -= 1
                if not strips_left[task.scene]:
                    submit(replace(task, strip=None), priority=2)
                continue
            del strips_left[task.scene]
        yield task, outcome
        for following in islice(waiting, 1):
            submit(following)


def _outcome(future: "Future[Any]", task: Task) -> SceneResult | tuple[tuple[int, int], ...]:
    try:
        outcome: SceneResult | tuple[tuple[int, int], ...] = future.result()
    except DnasError as error:
        return SceneResult(str(task.scene), "failed", error=error.what)
    except Exception as error:  # of Dask: its workers died again and again
        message = f"{task.scene}: {type(error).__name__}: {brief(error)}"
        return SceneResult(str(task.scene), "failed", error=message)
    return outcome


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
                    outputs.probabilities is not None,
                    clip=scene_clip(scene, request.reading),
                    end_row=end,
                )
            )
            make_folder(file.parent)
            shares = [item.probabilities for item in rows if item.probabilities is not None]
            with atomic_path(file) as temporary, temporary.open("wb") as content:
                np.savez(
                    content,
                    classes=np.concatenate([item.classes for item in rows]),
                    confidence=np.concatenate([item.confidence for item in rows]),
                    probabilities=np.concatenate(shares, axis=1) if shares else np.empty(0),
                    unsound=sum(item.unsound for item in rows),
                )
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
                    shares = content["probabilities"]
                    rows = MapRows(
                        first + known,
                        content["classes"][known:],
                        content["confidence"][known:],
                        shares[:, known:] if shares.size else None,
                        int(content["unsound"]),
                    )
                unfinished.append(rows)


def _strip_file(outputs: Outputs, key: dict[str, Any], first: int, end: int) -> Path:
    """Return the file of a strip; another model or other settings give another one."""
    name = f"strip-{content_hash(key)[-12:]}-{first}-{end}.npz"
    return part_folder(outputs.files[0]) / name


def _ignore(text: str) -> None:
    """Leave warnings to the task that writes the map."""


def _everywhere(scene: str | SceneFiles) -> str | SceneFiles:
    """Return the name of a scene for a process with another working directory."""
    if isinstance(scene, SceneFiles):
        parts = [
            part if is_address(part.path) else replace(part, path=str(Path(part.path).resolve()))
            for part in scene.parts
        ]
        return replace(scene, parts=tuple(parts))
    path = Path(scene)
    return str(path.resolve()) if path.exists() else scene


def _resolved(outputs: Outputs) -> Outputs:
    def place(path: Path | None) -> Path | None:
        return None if path is None else path.absolute()

    return replace(
        outputs,
        maps=tuple(path.absolute() for path in outputs.maps),
        probabilities=place(outputs.probabilities),
        confidence=place(outputs.confidence),
        overlay=place(outputs.overlay),
    )


def _has_gpus(client: "Client", device: str) -> bool:
    """Whether tasks take a GPU of the worker that runs them.

    Raises:
        UsageError: They need one, and no worker says that it has one.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    found = any(worker.get("resources", {}).get("GPU") for worker in workers)
    if device.startswith("cuda") and workers and not found:
        raise UsageError(
            f"device={device}: no worker of the cluster says that it has a GPU.",
            "Start workers with the resource GPU=1 (docs/cluster.md), or give device=cpu.",
        )
    return found and device != "cpu"


@contextmanager
def _connected(address: str) -> Iterator["Client"]:
    """Connect to a scheduler while the block lasts.

    Raises:
        UsageError: There is none.
        Interrupted: The user stopped the work.
        DnasError: Dask is not installed, or the scheduler is gone.
    """
    try:
        from distributed import Client
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        raise DnasError(
            "A scheduler needs Dask, which is not installed.", "pip install 'dnas[cluster]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.ERROR)
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"scheduler={address}: does not answer ({brief(error)}).",
            "Start one with `dask scheduler`, and name the address that it prints.",
        ) from error
    try:
        yield client
    except KeyboardInterrupt as error:
        raise Interrupted(
            "interrupted; workers finish the scenes that they are at.",
            "Run the same command again to resume.",
        ) from error
    except CommClosedError as error:
        raise DnasError(
            f"scheduler={address}: is gone ({brief(error)}).",
            "Start it again and run the same command; finished maps are skipped.",
        ) from error
    finally:
        client.close(timeout=_PATIENCE)  # type: ignore[no-untyped-call]
