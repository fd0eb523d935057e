"""The font that names are drawn with: names are of any script, and fonts are not.

A picture says a name, or the number of the class where this machine has no font for it. Pictures
never fail for a name, and never show boxes in place of one.
"""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

_FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts",
    "/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip
# Fonts of wide coverage by the beginning of their file's name, the best first.
_WIDE = (
    "notosanscjk", "notosanssc", "notosansjp", "sourcehansans", "wqy", "droidsansfallback",
    "unifont", "arialunicode", "arial unicode", "pingfang", "hiragino", "msyh", "msgothic",
    "malgun", "notosans", "dejavusans", "liberationsans", "arial",
)  # fmt: skip
_SUFFIXES = (".ttf", ".ttc", ".otf")
_LONGEST = 40  # characters of a name in a picture
_SIZE = 14


def font_for(
    names: Iterable[str], plain: Path | None = None, kind: str = "class"
) -> tuple[Path | None, list[str]]:
    """Return a font file and the names as it can draw them.

    Args:
        names: Names of classes, in order.
        plain: A font file that is always there, taken where no other draws more of the names;
            Pillow's own font when missing.
        kind: What is named.

    Returns:
        The font, and each name: shortened where it is long, `class 3` where the font lacks a glyph.
    """
    short = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names]
    text = "".join(short)
    if can_draw(plain, text):
        return plain, short
    fonts: tuple[Path | None, ...] = (plain, *_wide_fonts())
    font = max(fonts, key=lambda path: sum(can_draw(path, name) for name in short))
    return font, [
        name if can_draw(font, name) else f"{kind} {index}" for index, name in enumerate(short)
    ]


@cache
def _wide_fonts() -> tuple[Path, ...]:
    found: dict[str, Path] = {}
    for folder in _FOLDERS:
        for where, _, files in os.walk(Path(folder).expanduser()):
            for file in files:
                if file.lower().endswith(_SUFFIXES):
                    found.setdefault(file.lower(), Path(where) / file)
    ranked = [
        (rank, name)
        for name in sorted(found)
        for rank, start in enumerate(_WIDE)
        if name.startswith(start)
    ]
    return tuple(dict.fromkeys(found[name] for _, name in sorted(ranked)))


def can_draw(font: Path | None, text: str) -> bool:
    """Whether a font has a glyph for every character of a text."""
    return all(_has_glyph(font, character) for character in set(text) if not character.isspace())


@cache
def _has_glyph(font: Path | None, character: str) -> bool:
    loaded = _loaded(font)
    return loaded is not None and _drawn(loaded, character) != _drawn(loaded, "\U0010fffe")


def _drawn(font: Any, character: str) -> bytes:
    mask = font.getmask(character)
    return bytes(mask) + repr(mask.size).encode()


@cache
def _loaded(font: Path | None) -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.truetype(str(font), _SIZE) if font else ImageFont.load_default(_SIZE)
    except OSError:
        return None
