"""List files of tiles, as published: one `image<TAB>label` a line, relative, with `/`.

A list is input from elsewhere: a path in it never leaves the folder it belongs to, neither by its
text nor by a link.
"""

import re
import string
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, get_args, overload

from dnas_cli.errors import DataError
from dnas_cli.files import lines_of, read_text

Split = Literal["train", "val", "test"]
SplitBy = Literal["scene", "tile", "area"]
SPLITS: tuple[str, ...] = get_args(Split)

_LARGEST_LIST = 256 << 20  # bytes; a published list of 18,900 lines has 2 MB
_MOST_TILES = 4_000_000  # they take 2 GB of memory
_PART = 10_000  # lines
_NAME = re.compile(r"(?P<image>.+)_(?P<row>\d{1,7})_(?P<column>\d{1,7})_img")
_DETOUR = re.compile(r"(^|/)\.?(/|$)")  # an empty folder, or `.`
_PLAIN = (string.ascii_letters + string.digits + "_-./").encode()  # what nothing is wrong with
_AS_FOLDERS = bytes.maketrans(b"\t\n", b"//")
# Folders that say what is in them, and no scene.
_GENERAL = frozenset(
    ("train", "training", "val", "valid", "validation", "test", "testing", "image", "images", "img")
)


class TileRef(NamedTuple):
    """One tile of a tile set.

    Attributes:
        image: Path of the image, relative to the folder of tiles, with `/`.
        label: Path of the label, likewise.
        scene: Name of the scene the tile was cut from.
    """

    image: str
    label: str
    scene: str


class TileList(Sequence[TileRef]):
    """The tiles of a list, held as its lines: as objects, a million take seconds and 300 MB."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, place: int) -> TileRef: ...

    @overload
    def __getitem__(self, place: slice) -> "TileList": ...

    def __getitem__(self, place: int | slice) -> "TileRef | TileList":
        if isinstance(place, slice):
            return TileList(self._lines[place])
        image, label = self._lines[place].split("\t")
        return TileRef(image, label, scene_of(image))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TileList) and self._lines == other._lines

    def chosen(self, places: Iterable[int]) -> "TileList":
        """Return the tiles at some places, in their order."""
        return TileList([self._lines[place] for place in places])

    def texts(self) -> Iterator[str]:
        """Yield the content of the list file in parts; that of a million tiles has 100 MB."""
        for start in range(0, len(self), _PART):
            yield "\n".join([*self._lines[start : start + _PART], ""])


def read_list(path: Path) -> TileList:
    """Read a list file.

    Raises:
        DataError: The file cannot be read, or a line is not a pair of relative paths.
    """
    text = read_text(path, _LARGEST_LIST)
    if text.count("\n") > _MOST_TILES:
        raise DataError(f"{path}: has too many lines to be a list of tiles.")
    if _is_plain(text):
        return TileList(text.split("\n")[:-1])
    return TileList([_checked(path, number, line) for number, line in lines_of(text)])


def list_text(tiles: Iterable[TileRef]) -> str:
    """Return the content of a list file."""
    return "".join([f"{image}\t{label}\n" for image, label, _ in tiles])


def scene_of(image: str) -> str:
    """Return the scene of a tile by its path.

    It is the folder of `image/<scene>/<tile>`, else the tile's name without row and column. In
    `images/train/<tile>` the folder names the split, and says nothing of the scene.
    """
    folder = image.rpartition("/")[0]
    if scene := _scene_of_folder(folder):
        return scene
    path = PurePosixPath(image)
    return sys.intern(re.sub(r"(_\d+_\d+)?(_img)?$", "", path.stem) or path.stem)


@lru_cache(maxsize=4096)  # a folder has many tiles, mostly one after another
def _scene_of_folder(folder: str) -> str:
    scene = folder.rpartition("/")[2]
    return sys.intern(scene) if scene != folder and scene.lower() not in _GENERAL else ""


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
    steps = (path, *path.parents[: relative.count("/")])  # those below the folder
    if any(map(Path.is_symlink, steps)) and not path.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{path}: is a link that leads out of {folder}.",
            "Put the file itself there; a tile set reads nothing outside its folder.",
        )
    return path


def _is_plain(text: str) -> bool:
    """Whether each line is two paths without anything to look at: a million take a second less."""
    content = text.encode()
    marks = content.translate(None, _PLAIN)
    folders = b"/" + content.translate(_AS_FOLDERS)
    return marks == b"\t\n" * (len(marks) // 2) and b"//" not in folders and b"/." not in folders


def _checked(path: Path, number: int, line: str) -> str:
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
    return "\t".join(
        str(PurePosixPath(field)) if _DETOUR.search(field) else field for field in fields
    )


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
