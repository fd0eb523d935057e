"""Which scenes a user means: files, folders, patterns, lists, and names only GDAL understands."""

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from dnas_cli.errors import DataError
from dnas_cli.files import read_text
from dnas_cli.scenes.raster import RASTER_SUFFIXES

_LIST_SUFFIXES = (".txt", ".lst")
# s3://bucket/x.tif, /vsicurl/https://..., NETCDF:"file.nc":band, zip://a.zip!b.tif
_PASSED_THROUGH = re.compile(r"^(/vsi\w|[A-Za-z][\w+.-]+:)")


def find_scenes(arguments: Sequence[str]) -> list[str]:
    """Return the scenes that arguments stand for, each once, in order.

    A folder stands for the rasters in it (not below it), a `.txt` or `.lst` file for the scenes it
    lists, one per line; lines are relative to the working folder or else to the list. A pattern
    with `*` is expanded. Whatever else only GDAL understands is passed on as it is.

    Raises:
        DataError: A folder holds no raster, a pattern fits nothing, or a list is empty or no text.
    """
    found: dict[str, None] = {}
    for argument in arguments:
        found.update(dict.fromkeys(_expand(argument)))
    return list(found)


def stands_for_many(argument: str) -> bool:
    """Whether an argument is a folder, a list or a pattern."""
    path = Path(argument)
    return path.is_dir() or path.suffix.lower() in _LIST_SUFFIXES or _is_pattern(argument)


def _expand(argument: str) -> list[str]:
    path = Path(argument)
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() in _LIST_SUFFIXES and not _PASSED_THROUGH.match(argument):
        return _in_list(path)
    if _is_pattern(argument):
        fitting = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 (absolute patterns, too)
        if not fitting:
            raise DataError(f"{argument}: no file fits.")
        return fitting
    return [argument]


def _is_pattern(argument: str) -> bool:
    if _PASSED_THROUGH.match(argument) or Path(argument).exists():
        return False
    return glob.has_magic(argument)


def _in_folder(folder: Path) -> list[str]:
    rasters = [
        str(path)
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in RASTER_SUFFIXES and not path.name.startswith(".")
        if path.is_file() or path.suffix.lower() == ".zarr"
    ]
    if not rasters:
        raise DataError(
            f"{folder}: holds no raster.", "Name its folder of scenes, or 'FOLDER/*/*.tif'."
        )
    return rasters


def _in_list(path: Path) -> list[str]:
    names = [line.strip() for line in read_text(path).splitlines()]
    names = [name for name in names if name and not name.startswith("#")]
    if not names:
        raise DataError(f"{path}: lists no scene.", "Write one scene per line.")
    return [_listed(name, path.parent) for name in names]


def _listed(name: str, folder: Path) -> str:
    if _PASSED_THROUGH.match(name) or Path(name).exists():
        return name
    beside = folder / name
    return str(beside) if beside.exists() else name
