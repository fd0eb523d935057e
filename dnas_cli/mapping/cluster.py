"""Scenes, and strips of huge scenes, as tasks of a Dask cluster.

Workers share the file system with this process. A scene of many rows is mapped in strips by several
workers; a strip is the rows that a resumed map would add, so that the bits are those of one
process. A task whose worker dies goes to another one, which resumes from what is on disk.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnas_cli.console import logger, progress
from dnas_cli.errors import DnasError, Interrupted, UsageError, brief
from dnas_cli.mapping.cluster_worker import Request, Task, work
from dnas_cli.mapping.map_identity import refuse_other_maps, warn_of_other_models
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.open_scene import SceneReading
from dnas_cli.mapping.outputs import Outputs
from dnas_cli.mapping.scene_result import SceneResult
from dnas_cli.scenes.opening import is_address
from dnas_cli.scenes.scene_files import SceneFiles

if TYPE_CHECKING:
    from distributed import Client, Future

STRIP_PIXELS = 200_000_000
"""Pixels of a strip; a scene of fewer than two strips is one task."""

_RETRIES = 5
_AT_A_TIME = 2000  # scenes that the scheduler knows of
_PATIENCE = 30  # seconds for an answer of the scheduler


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
    warn_of_other_models(mapper, scenes, planned)
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
        # Else it is done again when the worker that keeps it dies, perhaps after the map.
        future.release()
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
    zones = None if outputs.areas.zones is None else outputs.areas.zones.absolute()
    return replace(
        outputs,
        maps=tuple(path.absolute() for path in outputs.maps),
        beside={name: path.absolute() for name, path in outputs.beside.items()},
        areas=replace(outputs.areas, zones=zones),
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
        UsageError: No scheduler answers.
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
            "interrupted; workers finish their current scenes.",
            "Run the same command again to resume.",
        ) from error
    except CommClosedError as error:
        raise DnasError(
            f"scheduler={address}: is lost ({brief(error)}).",
            "Start it again and run the same command; finished maps are skipped.",
        ) from error
    finally:
        client.close(timeout=_PATIENCE)  # type: ignore[no-untyped-call]
