"""What makes a map what it is: model, scene and settings, as its metadata have it."""

from collections.abc import Sequence
from dataclasses import asdict

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.files import file_hash
from dnas_cli.json_files import content_hash
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.open_scene import SceneReading
from dnas_cli.mapping.outputs import MAP_SUFFIXES, Outputs, scene_name
from dnas_cli.mapping.refinement import Refinement
from dnas_cli.scenes.map_metadata import KEY, MODEL, SCENE, map_tags
from dnas_cli.scenes.scene_files import SceneFiles, has_changed, state_of

_LOOKED_AT = 100  # files of a folder, evenly spaced


def map_identity(
    mapper: Mapper, scene: str | SceneFiles, reading: SceneReading, refinement: Refinement
) -> str:
    """Return a hash that changes with the model, the scene's size and time, and the settings."""
    grid = mapper.grid
    states = [state if isinstance(state, str) else state[:2] for state in state_of(scene)]
    return content_hash(
        {
            "model": mapper.model_id,
            "scene": states[0] if isinstance(scene, str) else states,
            "bands": list(reading.bands),
            "nodata": str(reading.nodata),
            "all_data": reading.all_data,
            "scaled": reading.scaled,
            "windows": [grid.window, grid.overlap, grid.shift],
            "views": mapper.settings.views,
            "clip": file_hash(reading.clip) if reading.clip else None,
            **({"resample": True} if reading.resample else {}),
            **({"described": reading.described} if any(reading.described) else {}),
            **({} if refinement == Refinement() else asdict(refinement)),
        }
    )


def refuse_other_maps(
    mapper: Mapper,
    scenes: Sequence[str | SceneFiles],
    reading: SceneReading,
    planned: Sequence[Outputs],
) -> None:
    """Refuse to take maps that exist for those that are to be made, if they are others.

    Raises:
        RunStateError: One was made by another model, of another scene or with other settings.
    """
    for scene, outputs in zip(scenes, planned, strict=True):
        for path in outputs.files:
            if path.suffix.lower() not in MAP_SUFFIXES:  # a table
                continue
            tags = map_tags(path)
            if path.exists() and MODEL not in tags:
                logger.warning("%s: exists and does not say which model made it", path)
            other_model = tags.get(MODEL, mapper.model_id) != mapper.model_id
            identity = map_identity(mapper, scene, reading, outputs.refinement)
            other_scene = SCENE in tags and has_changed(scene, tags[SCENE], path.stat().st_mtime_ns)
            if other_model or other_scene or tags.get(KEY, identity) != identity:
                made = "by another model" if other_model else "of another scene, or otherwise"
                raise RunStateError(
                    f"{path}: exists and was made {made} than asked for now.",
                    "Give overwrite=True to replace it, or name another folder with out=DIR.",
                )


def warn_of_other_models(
    mapper: Mapper, scenes: Sequence[str | SceneFiles], planned: Sequence[Outputs]
) -> None:
    """Warn of maps of another model in the folders of maps that are named after their scenes."""
    named = zip(scenes, planned, strict=True)
    maps = [path for scene, out in named for path in out.maps if scene_name(scene) in path.stem]
    for folder in sorted({path.parent for path in maps}):
        known = {*maps}
        beside = [path for path in sorted(folder.glob("*")) if path not in known]
        rasters = [path for path in beside if path.suffix.lower() in MAP_SUFFIXES]
        for path in rasters[:: -(-len(rasters) // _LOOKED_AT) or 1]:
            if map_tags(path).get(MODEL, mapper.model_id) != mapper.model_id:
                logger.warning("%s: holds maps of another model, such as %s", folder, path.name)
                break
