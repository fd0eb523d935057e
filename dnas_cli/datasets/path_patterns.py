"""Path patterns with named parts, by which images and labels are found, paired and grouped.

`{scene}/images/part_{part}.jpg` matches `Tile 1/images/part_003.jpg` with scene = "Tile 1" and
part = "003". A part never reaches over a folder; `*` stands for any text within one name, and
`**/` for any folders, also none.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from dnas_cli.errors import DataError
from dnas_cli.files import nfc
from dnas_cli.scenes.raster import RASTER_SUFFIXES

SPLIT_OF_NAME = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What folders and lists of a split are called."""

_UNSAFE = re.compile(r"[^\w.\-]+")


@dataclass(frozen=True)
class Pattern:
    """A path pattern relative to the source folder, with `/` between folders.

    Raises:
        DataError: The pattern cannot be one: absolute, leaving the folder, unbalanced braces.
    """

    text: str

    def __post_init__(self) -> None:
        folders = self.text.split("/")
        if not self.text or self.text.startswith("/") or ".." in folders or "\\" in self.text:
            raise DataError(
                f"pattern {self.text!r}: must be a path below the source folder, with '/'."
            )
        names = placeholders(self.text)
        if len(names) != len(set(names)):
            raise DataError(f"pattern {self.text!r}: names the same part twice.")

    @property
    def names(self) -> tuple[str, ...]:
        """The named parts, in order."""
        return placeholders(self.text)

    def match(self, path: str) -> dict[str, str] | None:
        """Return the named parts of a relative path, or nothing where the pattern does not fit."""
        return next((parts for parts, _ in self.matches([path])), None)

    def matches(self, paths: Iterable[str]) -> Iterator[tuple[dict[str, str], str]]:
        """Yield the named parts and the path of each relative path that the pattern fits."""
        fits, any_raster = self._expression.fullmatch, self.text.endswith(".*")
        for path in paths:
            found = fits(nfc(path))
            if found is not None and (not any_raster or is_raster(path)):
                parts = found.groupdict()
                if not path.isascii():
                    parts = {name: nfc(text) for name, text in parts.items()}
                yield parts, path

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        # "**/" matches folders, "*" within a name, "{part}" at least one character of a name.
        expression = ""
        for piece in re.split(r"(\*\*/|\*|\{\w+\})", self.text):
            if piece == "**/":
                expression += "(?:[^/]+/)*"
            elif piece == "*":
                expression += "[^/]*"
            elif piece.startswith("{"):
                expression += f"(?P<{piece[1:-1]}>[^/]+)"
            else:
                expression += re.escape(piece)
        return re.compile(nfc(expression), re.DOTALL)


def placeholders(text: str) -> tuple[str, ...]:
    """Return the named parts of a pattern or a name template.

    Raises:
        DataError: Braces that do not pair, or hold something that is not a plain name.
    """
    try:
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise DataError(f"pattern {text!r}: {error}.") from error
    for name in names:
        if not re.fullmatch(r"[A-Za-z]\w*", name) or "{" + name + "}" not in text:
            raise DataError(f"pattern {text!r}: {{{name}}} is not a plain name.")
    return tuple(names)


def safe_name(text: str) -> str:
    """Return a name that can be a folder and a list entry anywhere: letters, digits, `.`, `-`, `_`.

    >>> safe_name("Tile 1")
    'Tile_1'
    """
    return _UNSAFE.sub("_", nfc(text)).strip(".") or "_"


def is_raster(path: str) -> bool:
    """Whether a path ends as that of a raster."""
    return path.lower().endswith(RASTER_SUFFIXES)
