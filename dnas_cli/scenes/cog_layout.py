"""Whether a GeoTIFF is laid out as a Cloud-Optimized GeoTIFF: its directories before its pixels.

When a write fails and a later one succeeds, GDAL moves the directories to the end of the file and
reports no error.
"""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from dnas_cli.scenes.opening import opened

_PADDING = 16  # bytes; directories begin at even places


def has_cog_layout(path: Path) -> bool:
    """Return whether the directories of a GeoTIFF come before its pixels, as GDAL declares."""
    with opened(path) as raster:
        declared = raster.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"
        first_block = raster.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1)
    if not declared or first_block is None:
        return False
    with path.open("rb") as file:
        declaration = re.match(
            rb".{8}(.{8})?(GDAL_STRUCTURAL_METADATA_SIZE=(\d+) bytes\n)", file.read(99), re.S
        )
        if declaration is None:
            return False
        end = declaration.end() + int(declaration[3])
        first, *others = _directories(file)
    return first <= end + _PADDING and all(place < int(first_block) for place in others)


def _directories(file: BinaryIO) -> Iterator[int]:
    """Yield where the directories of a TIFF or BigTIFF begin, in bytes."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    offset, count, entry = ("Q", "Q", 20) if big else ("L", "H", 12)

    def value(kind: str) -> Any:
        return struct.unpack(order + kind, file.read(struct.calcsize(order + kind)))[0]

    file.seek(8 if big else 4)
    place = value(offset)
    while place:
        yield place
        file.seek(place)
        file.seek(value(count) * entry, 1)
        place = value(offset)
