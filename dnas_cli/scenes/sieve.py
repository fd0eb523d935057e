"""Small patches of a map joined to their largest neighbour, a strip of rows at a time.

The rule is that of GDAL's sieve filter (`gdal_sieve.py`, `rasterio.features.sieve`), to the bit:

- A patch is connected along sides of pixels. Pixels without data belong to no patch.
- A patch of fewer pixels than the smallest size takes the class of its largest neighbour. Of
  equally large ones it is the first that a reader meets who goes row by row and looks at each pixel
  up, then left.
- Where that neighbour is small itself, its own largest neighbour counts, and so on. If that leads
  to no patch that is large enough, the patch stays.

The strips are read three times. Downwards, patches are joined across the lines between strips;
where one ends, its size is known. Upwards, these sizes are carried to all strips, and every small
patch finds its largest neighbour. Downwards again, the classes are written. Memory holds a strip
and the patches that cross its outer lines; all else is in files.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.console import progress
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.rows import Rows

Indices = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

SIEVE_BYTES = 192 * 2**20
"""Memory for a strip: 182 MiB measured, for 3 to 40 megapixels of pure noise."""

_PIXELS = 2**19  # in a strip
_LINKS = 2**20  # small patches whose neighbours are followed at a time
_NEVER_SMALL = 2**60  # the size of what is no patch


def sieve(indices: Rows, smallest: int, folder: Path, strip_rows: int | None = None) -> Rows:
    """Return a map without patches of fewer pixels than `smallest`.

    Args:
        indices: Class per pixel, `IGNORE` where there is none; one band.
        smallest: The smallest patch that stays, in pixels.
        folder: Takes the files: the classes, and tables of the patches.
        strip_rows: Rows of a strip, of no consequence for the result; as many as fit when missing.
    """
    height, width = indices.height, indices.width
    step = strip_rows or max(1, _PIXELS // width)
    tops = range(0, height, step)
    strips = [_Strip(indices, top, min(top + step, height), folder) for top in tops]
    links, sieved = folder / "sieve-links.raw", folder / "sieved.raw"
    with progress("sieve", 3 * len(strips), "strip") as advance:
        small = 0
        line = _Line()
        for strip in strips:
            line, ended = _join(strip, line, smallest, strip is strips[-1])
            small += ended
            advance(1)
        with links.open("wb") as file:
            file.truncate(small * 8)
        known = _Below()
        for strip in reversed(strips):
            known = _choose(strip, known, smallest, links)
            advance(1)
        _follow(links, small)
        with sieved.open("wb") as file:
            for strip in strips:
                file.write(_rows_of(strip, links).tobytes())
                advance(1)
    links.unlink()

    def read(start: int, stop: int) -> Indices:
        with sieved.open("rb") as file:
            file.seek(start * width)
            content = file.read((stop - start) * width)
        return np.frombuffer(content, np.uint8).reshape(1, stop - start, width).copy()

    return Rows(1, height, width, read)


@dataclass(frozen=True)
class _Strip:
    """Rows `top` to `bottom` of a map, and the files of what is known of their patches."""

    indices: Rows
    top: int
    bottom: int
    folder: Path

    def pieces(self) -> tuple[Indices, npt.NDArray[np.intp], Indices]:
        """Return the rows (h, W), the piece of a patch of each pixel, the class of each piece."""
        rows: Indices = self.indices.read(self.top, self.bottom)[0]
        piece = _pieces(rows)
        classes = np.empty(int(piece.max()) + 1, np.uint8)
        classes[piece] = rows
        return rows, piece, classes

    def save(self, name: str, values: npt.NDArray[Any]) -> None:
        """Keep an array in a file."""
        with self._path(name).open("wb") as file:
            np.save(file, values, allow_pickle=False)

    def taken(self, name: str) -> Integers:
        """Return an array that was kept, and remove its file."""
        values: Integers = np.load(self._path(name), allow_pickle=False)
        self._path(name).unlink()
        return values

    def _path(self, name: str) -> Path:
        return self.folder / f"sieve-{self.top}-{name}.npy"


def _pieces(rows: Indices) -> npt.NDArray[np.intp]:
    """Number what is connected along sides of pixels in a strip (h, W), from 0 on."""
    begins = np.ones(rows.shape, bool)
    begins[:, 1:] = rows[:, 1:] != rows[:, :-1]
    run = np.cumsum(begins).reshape(rows.shape) - 1
    # Runs in adjacent rows need one link, where the later of them begins.
    linked = (rows[1:] == rows[:-1]) & (begins[1:] | begins[:-1])
    group = _connected(int(run[-1, -1]) + 1, run[:-1][linked], run[1:][linked])
    pieces: npt.NDArray[np.intp] = group[run]
    return pieces


def _connected(
    count: int, one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return the group of each of `count` items that links join."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), np.int8), (one, other)), (count, count))
    _, group = connected_components(links, directed=False)
    return np.asarray(group, np.intp)


def _none() -> Integers:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class _Line:
    """The line between two strips, read downwards, and the groups of pieces that touch it.

    Attributes:
        classes: (W,) of the pixels above the line; empty above the first strip.
        groups: (W,) of these pixels.
        sizes: Of each group, so far.
        kinds: The class of each group.
    """

    classes: Indices | None = None
    groups: Integers | None = None
    sizes: Integers = field(default_factory=_none)
    kinds: Indices = field(default_factory=lambda: np.empty(0, np.uint8))


def _join(strip: _Strip, line: _Line, smallest: int, is_last: bool) -> tuple[_Line, int]:
    """Join the pieces of a strip to the groups above it; keep what belongs together in files.

    Returns:
        The next line, and how many small patches end in this strip.
    """
    rows, piece, classes = strip.pieces()
    waiting = len(line.sizes)
    above = below = np.empty(0, np.intp)
    if line.classes is not None and line.groups is not None:
        same = line.classes == rows[0]
        above, below = line.groups[same], waiting + piece[0, same]
    group = _connected(waiting + len(classes), above, below)
    count = int(group.max()) + 1
    sizes = np.bincount(group[waiting:][piece.ravel()], minlength=count).astype(np.int64)
    np.add.at(sizes, group[:waiting], line.sizes)
    kinds = np.empty(count, np.uint8)
    kinds[group] = np.concatenate([line.kinds, classes])
    sizes[kinds == IGNORE] = _NEVER_SMALL
    continued, groups = np.unique(group[waiting:][piece[-1]], return_inverse=True)
    if is_last:
        continued = continued[:0]
    following = np.full(count, -1, np.int64)
    following[continued] = np.arange(len(continued))
    strip.save("waiting", group[:waiting])
    strip.save("pieces", group[waiting:])
    strip.save("following", following)
    strip.save("sizes", sizes)
    small = int(np.count_nonzero((following < 0) & (sizes < smallest)))
    return _Line(rows[-1], groups, sizes[continued], kinds[continued]), small


@dataclass(frozen=True)
class _Choices:
    """The best neighbour so far of small patches, one element of each array per patch.

    Attributes:
        patch: Its number.
        size: Pixels of the neighbour.
        place: Where both are first seen to meet.
        link: To the neighbour: n + 1 for the small patch n, -1 - c for a large one of class c.
    """

    patch: Integers
    size: Integers
    place: Integers
    link: Integers

    def with_better(self, other: "_Choices") -> "_Choices":
        """Return the better of both for every patch."""
        joined = _Choices(
            *(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        )
        order = np.lexsort((joined.place, -joined.size, joined.patch))
        return joined.of(order[np.flatnonzero(np.diff(joined.patch[order], prepend=-1))])

    def of(self, these: npt.NDArray[Any]) -> "_Choices":
        """Return those of some patches."""
        return _Choices(*(getattr(self, item.name)[these] for item in fields(self)))


@dataclass(frozen=True)
class _Below:
    """What is known of the patches below a strip, read upwards.

    Attributes:
        sizes: Of the groups that continue below.
        numbers: Of these; -1 of large ones.
        row: (4, W): class, size, number and link of the pixels below; (4, 0) below the last strip.
        choices: Of the small patches that touch the line.
        numbered: How many small patches have a number.
    """

    sizes: Integers = field(default_factory=_none)
    numbers: Integers = field(default_factory=_none)
    row: Integers = field(default_factory=lambda: np.empty((4, 0), np.int64))
    choices: _Choices = field(default_factory=lambda: _Choices(*(_none() for _ in range(4))))
    numbered: int = 0


def _choose(strip: _Strip, below: _Below, smallest: int, links: Path) -> _Below:
    """Find the largest neighbours of small patches; write those that no strip above can change."""
    _, piece, classes = strip.pieces()
    waiting, group = strip.taken("waiting"), strip.taken("pieces")
    following, sizes = strip.taken("following"), strip.taken("sizes")
    continued = following >= 0
    sizes[continued] = below.sizes[following[continued]]
    numbers = np.full(len(sizes), -1, np.int64)
    numbers[continued] = below.numbers[following[continued]]
    new = np.flatnonzero(~continued & (sizes < smallest))
    numbers[new] = below.numbered + np.arange(len(new))
    strip.save("numbers", numbers[group])

    width = piece.shape[1]
    of_piece = np.stack([classes.astype(np.int64), sizes[group], numbers[group]])
    link = np.where(of_piece[2] >= 0, of_piece[2] + 1, -1 - of_piece[0])
    pixels = np.concatenate([np.vstack([of_piece, link])[:, piece.ravel()], below.row], axis=1)
    choices = below.choices
    for found in _meetings(pixels, width, piece.size, strip.top * width):
        choices = choices.with_better(found)
    open_above = np.isin(choices.patch, pixels[2, :width]) & (strip.top > 0)
    done = choices.of(~open_above)
    if len(done.patch):
        table = np.memmap(links, np.int64, "r+")
        table[done.patch] = done.link
    return _Below(
        sizes[waiting],
        numbers[waiting],
        pixels[:, :width].copy(),
        choices.of(open_above),
        below.numbered + len(new),
    )


def _meetings(pixels: Integers, width: int, own: int, before: int) -> list[_Choices]:
    """Return what small patches meet across sides of pixels.

    Args:
        pixels: (4, n) class, size, number and link; rows of a strip, then that below it.
        width: Of a row.
        own: Pixels of the strip.
        before: Pixels of the map above the strip.
    """
    found = []
    classes, sizes, numbers, link = pixels
    for step, side in ((width, 0), (1, 1)):
        at = np.flatnonzero(classes[step:] != classes[:-step]) + step
        if side:  # those of the row below were seen with its strip
            at = at[(at % width > 0) & (at < own)]
        at = at[(classes[at] != IGNORE) & (classes[at - step] != IGNORE)]
        for one, other in ((at, at - step), (at - step, at)):
            small = numbers[one] >= 0
            mine, its, place = one[small], other[small], 2 * (before + at[small]) + side
            found.append(_Choices(numbers[mine], sizes[its], place, link[its]))
    return found


def _follow(links: Path, small: int) -> None:
    """Let every link lead to the large patch at the end of its way, if there is one.

    A link takes over that of the patch that it leads to, so that ways halve again and again. Ways
    in circles remain.
    """
    shorter = small > 0
    while shorter:
        shorter = False
        for start in range(0, small, _LINKS):
            # Opened for each part: pages of a closed table do not count as memory of this process.
            table = np.memmap(links, np.int64, "r+")
            part = table[start : start + _LINKS]
            led = np.flatnonzero(part > 0)
            part[led] = table[part[led] - 1]
            shorter |= bool((part[led] < 0).any())


def _rows_of(strip: _Strip, links: Path) -> Indices:
    """Return the rows (h, W) of a strip with the classes of the large patches."""
    _, piece, classes = strip.pieces()
    numbers = strip.taken("numbers")
    small = np.flatnonzero(numbers >= 0)
    if len(small):
        found = np.memmap(links, np.int64, "r")[numbers[small]]
        leads = found < 0
        classes[small[leads]] = -1 - found[leads]
    return classes[piece]
