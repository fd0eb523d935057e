"""Whether an HDF5 file, which a NetCDF 4 file is, refers to other files.

HDF5 follows such references by itself: values of a dataset may be stored in any file of the disk
(external storage), put together from other files (virtual datasets), or be a dataset of another
file (external links). All three leave traces in plain bytes ("HDF5 File Format Specification 3.0":
messages 7, 8 and 6), by which they are found.
"""

import mmap
import re
from functools import lru_cache
from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LINK = re.compile(rb"\x01[\x08-\x1f]\x40")  # version, flags with a type, the type "external"
_MOST_ADDRESSES = 10_000
_SMALLEST = 48  # bytes of what every HDF5 file begins with


def refers_to_files(path: Path) -> bool:
    """Return whether a file may refer to others, or cannot be searched for references."""
    state = path.stat()
    return _refers(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=256)
def _refers(path: Path, size: int, *_: int) -> bool:
    if size < _SMALLEST:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:3] == b"CDF":  # NetCDF 3, which refers to nothing
            return False
        width = _width_of_addresses(content)
        if width is None:
            return True
        return (
            _holds_links(content)
            or _holds(content, b"HEAP", rb"\x01.{7}", width)  # external storage
            or _holds(content, b"GCOL", rb"[\x04-\x0f]\x03", width)  # a virtual dataset
            or _compresses_links(content)
        )


def _width_of_addresses(content: mmap.mmap) -> int | None:
    """Return the bytes of an address; None if addresses do not count from the file's start."""
    if content[:8] != _SIGNATURE:
        return None
    is_old = content[8] < 2
    width = content[13] if is_old else content[9]
    start = (24 if content[8] == 0 else 28) if is_old else 12  # of the base address
    return width if width in (4, 8) and not any(content[start : start + width]) else None


def _holds(content: mmap.mmap, what: bytes, before: bytes, width: int) -> bool:
    """Return whether a message with some first bytes gives the address of a heap."""
    found, at = 0, content.find(what)
    while at >= 0:
        address = re.escape(at.to_bytes(8, "little")[:width])
        if re.search(before + address, content, re.DOTALL):
            return True
        found, at = found + 1, content.find(what, at + 1)
        if found > _MOST_ADDRESSES:
            return True
    return False


def _holds_links(content: mmap.mmap) -> bool:
    return any(_is_link(content, found.start()) for found in _LINK.finditer(content))


def _is_link(content: mmap.mmap, at: int) -> bool:
    """Return whether a link message lies here: its name, then a file and a path that end with 0."""
    flags = content[at + 1]
    at += 3 + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    size = 1 << (flags & 3)
    length = int.from_bytes(content[at : at + size], "little")
    at += size + length
    if length == 0 or at + 3 > len(content):
        return False
    info = int.from_bytes(content[at : at + 2], "little")
    said = content[at + 2 : at + 2 + info]
    return len(said) == info > 3 and said[0] == 0 and said[1:].count(0) >= 2


def _compresses_links(content: mmap.mmap) -> bool:
    """Return whether a heap of links is filtered, so that links do not show."""
    at = content.find(b"FRHP")
    while at >= 0:
        if content[at + 4 : at + 5] == b"\0" and any(content[at + 7 : at + 9]):
            return True
        at = content.find(b"FRHP", at + 1)
    return False
