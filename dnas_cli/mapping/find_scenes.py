"""Which scenes a user means: files, folders, patterns, lists, and names only GDAL understands."""

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.datasets.description import DatasetDescription
from dnas_cli.datasets.discovery import find_images
from dnas_cli.datasets.path_patterns import is_raster
from dnas_cli.errors import DataError, UsageError
from dnas_cli.files import nfc, read_lines
from dnas_cli.scenes.map_metadata import is_map
from dnas_cli.scenes.scene_files import BandFile, SceneFiles
from dnas_cli.scenes.stac_items import is_items, read_items

_LIST_SUFFIXES = (".txt", ".lst")
# s3://bucket/x.tif, /vsicurl/https://..., NETCDF:"file.nc":band, zip://a.zip!b.tif
_PASSED_THROUGH = re.compile(r"^(/vsi\w|[A-Za-z][\w+.-]+:)")


def find_scenes(arguments: Sequence[str]) -> list[str | SceneFiles]:
    """Return the scenes that arguments stand for, each once, in order.

    A folder stands for the rasters in it (not below it), a `.txt` or `.lst` file for the scenes it
    lists, one per line; lines are relative to the working folder or else to the list. A pattern
    with `*` is expanded. A STAC Item or ItemCollection, a file or an address, stands for its
    scenes. Whatever else only GDAL understands is passed on as it is.

    Raises:
        DataError: A folder holds no raster, a pattern fits nothing, or a list is empty or no text.
    """
    found: dict[str | SceneFiles, None] = {}
    for argument in arguments:
        found.update(dict.fromkeys(_expand(argument)))
    return list(found)


def find_described_scenes(
    arguments: Sequence[str], description: DatasetDescription
) -> tuple[list[SceneFiles], tuple[str, ...]]:
    """Return the scenes that a description finds in a folder, with or without labels.

    Returns:
        The scenes by name, and the names of the bands of their files where the description says
        them.

    Raises:
        UsageError: The argument is no folder.
        DataError: The folder holds no image of the dataset.
    """
    folder = Path(arguments[0])
    if len(arguments) != 1 or not folder.is_dir():
        raise UsageError(
            "dataset=...: says what one folder of scenes holds, or how `truth` is written.",
            "Name that folder alone, or give truth=... as well.",
        )
    images, problems = find_images(folder, description)
    for problem in problems:
        logger.warning("%s: left out: %s", problem.name, problem.reason)
    if not images:
        raise DataError(f"{folder}: none of its scenes can be used.")
    scenes = []
    for image in images:
        files = image.scene_files(folder)
        parts = (
            files.parts if isinstance(files, SceneFiles) else (BandFile((), str(files), number=0),)
        )
        scenes.append(SceneFiles(image.key, parts))
    return scenes, images[0].bands


def stands_for_many(argument: str) -> bool:
    """Whether an argument is a folder, a list or a pattern."""
    path = Path(argument)
    return path.is_dir() or path.suffix.lower() in _LIST_SUFFIXES or _is_pattern(argument)


def _expand(argument: str) -> Sequence[str | SceneFiles]:
    path = Path(argument)
    if is_items(argument):
        return read_items(argument)
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() in _LIST_SUFFIXES and not _is_passed_through(argument):
        return _in_list(path)
    if _is_pattern(argument):
        fitting = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 (also absolute patterns)
        if not fitting:
            raise DataError(f"{argument}: no file fits.")
        if all(map(is_items, fitting)):
            return [scene for name in fitting for scene in read_items(name)]
        return without_maps(fitting)
    return [argument]


def _is_pattern(argument: str) -> bool:
    if Path(argument).exists() or _is_passed_through(argument):
        return False
    return glob.has_magic(argument)


def _in_folder(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        names = [
            entry.name
            for entry in entries
            if is_raster(entry.name) and not entry.name.startswith(".")
            if entry.is_file() or entry.name.lower().endswith(".zarr")
        ]
    start = str(folder / "_")[:-1]
    scenes = [start + name for name in sorted(names)]
    if not scenes:
        raise DataError(
            f"{folder}: holds no raster.",
            "Name its folder of scenes, 'FOLDER/*/*.tif', or give dataset=YAML to describe it.",
        )
    return without_maps(scenes)


def without_maps(names: list[str]) -> list[str]:
    """Leave out what `dnas predict` wrote beside its scenes, unless nothing else is left."""
    scenes = [name for name in names if not is_map(name)]
    if scenes and len(scenes) < len(names):
        logger.info("%d maps that dnas made are no scenes", len(names) - len(scenes))
    return scenes or names


def _in_list(path: Path) -> list[str]:
    names = [name for _, name in read_lines(path)]
    if not names:
        raise DataError(f"{path}: lists no scene.", "Write one scene per line.")
    return [_listed(name, path.parent) for name in names]


def _listed(name: str, folder: Path) -> str:
    for place in (Path(name), folder / name):
        found = place if place.exists() else _of_same_letters(place)
        if found is not None:
            return name if found == Path(name) else str(found)
    return name


def _is_passed_through(name: str) -> bool:
    return bool(_PASSED_THROUGH.match(name)) and not Path(name).exists()


def _of_same_letters(path: Path) -> Path | None:
    """Return the file whose name differs only in how letters with accents are stored."""
    if path.name.isascii() or not path.parent.is_dir():
        return None
    wanted = nfc(path.name)
    return next((other for other in path.parent.iterdir() if nfc(other.name) == wanted), None)
