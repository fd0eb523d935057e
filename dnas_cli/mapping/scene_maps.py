"""Many scenes to their maps: finished ones are skipped, a bad one does not stop the others."""

from collections.abc import Sequence

from dnas_cli.console import logger
from dnas_cli.errors import DnasError, Interrupted, RunStateError
from dnas_cli.mapping.map_identity import refuse_other_maps, warn_of_other_models
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.open_scene import SceneReading
from dnas_cli.mapping.outputs import Outputs
from dnas_cli.mapping.scene_map import map_scene
from dnas_cli.mapping.scene_result import SceneResult
from dnas_cli.mapping.unfinished_map import MapInWorkError, part_folder, remove_discarded
from dnas_cli.scenes.scene_files import SceneFiles


def map_scenes(
    mapper: Mapper,
    scenes: Sequence[str | SceneFiles],
    reading: SceneReading,
    planned: Sequence[Outputs],
    overwrite: bool = False,
) -> list[SceneResult]:
    """Map scenes one after the other and return the result of each.

    A scene is finished and skipped if all its outputs exist and no unfinished map is left. An error
    is reported and kept with the status `failed`; the next scene follows.

    Raises:
        RunStateError: A map that exists was made by another model, or of another scene.
        Interrupted: The user stopped it; the next call resumes.
    """
    if not overwrite:
        refuse_other_maps(mapper, scenes, reading, planned)
    warn_of_other_models(mapper, scenes, planned)
    results = []
    for number, (scene, outputs) in enumerate(zip(scenes, planned, strict=True), 1):
        logger.info("scene %d of %d: %s", number, len(scenes), scene)
        if not overwrite and is_finished(outputs):
            logger.info("%s: skipped, its outputs exist (overwrite=True maps it again)", scene)
            results.append(SceneResult(str(scene), "skipped", outputs.files))
            continue
        try:
            results.append(map_one(mapper, scene, reading, outputs, overwrite))
        except MapInWorkError as error:
            logger.info("%s: skipped, %s", scene, error.what)
            results.append(SceneResult(str(scene), "skipped", outputs.files))
    return results


def map_one(
    mapper: Mapper,
    scene: str | SceneFiles,
    reading: SceneReading,
    outputs: Outputs,
    overwrite: bool,
) -> SceneResult:
    """Map one of many scenes; an error is the status of its result.

    Raises:
        MapInWorkError: Another process is making the map.
        Interrupted: The user stopped it; the next call resumes.
    """
    try:
        return map_scene(mapper, scene, reading, outputs, overwrite)
    except (Interrupted, MapInWorkError):
        raise
    except DnasError as error:
        if not overwrite and isinstance(error, RunStateError) and is_finished(outputs):
            logger.info("%s: skipped, another process has just mapped it", scene)
            return SceneResult(str(scene), "skipped", outputs.files)
        logger.error("%s", error)
        return SceneResult(str(scene), "failed", error=error.what)
    except (OSError, MemoryError, RuntimeError, ValueError) as error:
        message = f"{scene}: {type(error).__name__}: {error}"
        logger.error("%s", message)
        return SceneResult(str(scene), "failed", error=message)


def is_finished(outputs: Outputs) -> bool:
    """Return whether all outputs of a scene exist and no unfinished map is left."""
    folder = part_folder(outputs.files[0])
    remove_discarded(folder)
    return not folder.exists() and all(path.exists() for path in outputs.files)
