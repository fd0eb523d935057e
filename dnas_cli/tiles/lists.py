"""List files of tiles, as published: one `image<TAB>label` a line, relative, with `/`.

A list is input from elsewhere: a path in it never leaves the folder it belongs to, neither by its
text nor by a link.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from dnas_cli.errors import DataError
from dnas_cli.files import read_lines

Split = Literal["train", "val", "test"]
SplitBy = Literal["scene", "tile", "area"]
SPLITS: tuple[str, ...] = get_args(Split)

_LARGEST_LIST = 256 << 20  # bytes; a published list of 18,900 lines has 2 MB
_MOST_TILES = 4_000_000  # they take 2 GB of memory
_NAME = re.compile(r"(?P<image>.+)_(?P<row>\d{1,7})_(?P<column>\d{1,7})_img")
_DETOUR = re.compile(r"(^|/)\.?(/|$)")  # an empty folder, or `.`
_PATH = r"\w[\w.-]*(?:/\w[\w.-]*)*"
_PLAIN = re.compile(f"{_PATH}\t{_PATH}", re.ASCII)  # two paths without a detour, surely relative
# Folders that say what is in them, and no scene.
_GENERAL = frozenset(
    ("train", "training", "val", "valid", "validation", "test", "testing", "image", "images", "img")
)


@dataclass(frozen=True, slots=True)
class TileRef:
    """One tile of a tile set.

    Attributes:
        image: Path of the image, relative to the folder of tiles, with `/`.
        label: Path of the label, likewise.
        scene: Name of the scene the tile was cut from.
    """

    image: str
    label: str
    scene: str


def read_list(path: Path) -> tuple[TileRef, ...]:
    """Read a list file.

    Raises:
        DataError: The file cannot be read, or a line is not a pair of relative paths.
    """
    lines = read_lines(path, _LARGEST_LIST)
    if len(lines) > _MOST_TILES:
        raise DataError(f"{path}: has too many lines to be a list of tiles.")
    return tuple(_entry(path, number, line) for number, line in lines)


def list_text(tiles: Iterable[TileRef]) -> str:
    """Return the content of a list file."""
    return "".join(f"{tile.image}\t{tile.label}\n" for tile in tiles)


def scene_of(image: str) -> str:
    """Return the scene of a tile by its path.

    It is the folder of `image/<scene>/<tile>`, else the tile's name without row and column. In
    `images/train/<tile>` the folder names the split, and says nothing of the scene.
    """
    folders = image.split("/")  # not PurePosixPath, which takes seconds for a million tiles
    if len(folders) >= 3 and folders[-2].lower() not in _GENERAL:
        return folders[-2]
    path = PurePosixPath(image)
    return re.sub(r"(_\d+_\d+)?(_img)?$", "", path.stem) or path.stem


def image_of(ref: TileRef) -> str:
    """Return the image of a tile that was cut here: `<image>_<row>_<column>_img.tif`."""
    return ref.image.rpartition("/")[2].rsplit("_", 3)[0]


def place_of(ref: TileRef) -> tuple[str, int, int] | None:
    """Return image, row and column of a tile that was cut here; None for other names."""
    name = ref.image.rpartition("/")[2]
    found = _NAME.fullmatch(name.rpartition(".")[0] or name)
    return None if found is None else (found["image"], int(found["row"]), int(found["column"]))


def path_inside(folder: Path, relative: str) -> Path:
    """Return the path of a list entry, certain to be below `folder`.

    Raises:
        DataError: The entry leaves the folder by a link.
    """
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{path}: is a link that leads out of {folder}.",
            "Put the file itself there; a tile set reads nothing outside its folder.",
        )
    return path


def _entry(path: Path, number: int, line: str) -> TileRef:
    if _PLAIN.fullmatch(line):
        image, label = line.split("\t")
        return TileRef(image, label, sys.intern(scene_of(image)))
    fields = line.split("\t") if "\t" in line else line.split(" ")
    if len(fields) != 2:
        raise DataError(f"{path}: line {number} is not `image<TAB>label`: {line[:80]!r}.")
    for field in fields:
        if not _is_relative(field):
            raise DataError(
                f"{path}: line {number} holds {field[:80]!r}, which is not a path below the "
                "folder of tiles.",
                "Paths are relative, with `/`, and never go up.",
            )
    # `images/./x` and `images//x` are the tile `images/x`.
    image, label = (
        str(PurePosixPath(field)) if _DETOUR.search(field) else field for field in fields
    )
    return TileRef(image, label, sys.intern(scene_of(image)))


def _is_relative(text: str) -> bool:
    folders = text.split("/")
    return (
        bool(text)
        and not text.startswith("/")
        and ".." not in folders
        and "\\" not in text
        and not re.match(r"[A-Za-z]:|\w+://", text)
        and text.isprintable()
    )
