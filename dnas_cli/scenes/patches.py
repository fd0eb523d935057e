"""Patches of a map as outlines in pixels, a strip of rows at a time.

A map of any height is cut into strips of rows. A piece within a strip is a whole patch; a piece
that touches the upper or lower line of the strip waits for its continuation in the next strip. So
memory holds only a strip and the patches that cross its last row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio.features

from dnas_cli.scenes.strips import Strip, strips

Outlines = npt.NDArray[np.object_]
Indices = npt.NDArray[np.int32]
Areas = npt.NDArray[np.float64]
Measure = Callable[[Outlines], Areas]

STRIP_BYTES = 256 * 2**20
"""Memory for a strip and the waiting patches: 113 to 174 MiB measured, pure noise 443 MiB."""

_HELD_VERTICES = 2_000_000  # of all waiting patches together


@dataclass(frozen=True)
class Patches:
    """Finished patches.

    Attributes:
        outlines: (N,) shapely polygons in pixels, x to the right and y down.
        indices: (N,) their classes.
        areas: (N,) the results of `measure` before simplification; infinite without it.
        cut: How many of them are parts of patches too long for memory, which continue below.
        rows: How many rows were read for them.
    """

    outlines: Outlines
    indices: Indices
    areas: Areas
    cut: int
    rows: int


def patches(
    raster: Any, tolerance: float = 0.0, measure: Measure | None = None
) -> Iterator[Patches]:
    """Yield the patches of a map, each once, from top to bottom as they end.

    Pixels that touch only at a corner belong to different patches. Simplified patches still share
    their borders: the part of a border between two points where three classes meet, or where it
    crosses the line between two strips, is simplified once, by Visvalingam's rule.

    A patch is whole, however far down it extends, unless the waiting patches have more than two
    million vertices: then the longest is cut along a line between two strips.

    Args:
        raster: A rasterio dataset of class indices with a declared nodata value.
        tolerance: In pixels; the root of the area by which a border may be changed at a vertex.
        measure: Returns the areas of outlines; the area of a patch is the sum over its pieces.
    """
    line = _Line.above_all(raster.width)
    for strip in strips(raster):
        pieces = _pieces(strip, tolerance, raster.nodata, measure)
        line, ended = line.passed(strip, pieces, straighten=not tolerance)
        yield ended


@dataclass(frozen=True)
class _Pieces:
    """Pieces of patches in a strip: outlines, classes, areas, owners of the outer rows' pixels.

    Owners are (width,), the number of a piece or -1.
    """

    outlines: Outlines
    indices: Indices
    areas: Areas
    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]


def _pieces(
    strip: Strip, tolerance: float, nodata: float | None, measure: Measure | None
) -> _Pieces:
    import shapely
    from shapely.geometry import shape

    found, values = [], []
    has_class = strip.rows != nodata
    # Simplification treats the border of pixels without data like others, so it has outlines.
    mask = None if tolerance else has_class
    for geometry, value in rasterio.features.shapes(strip.rows, mask):
        found.append(shape(geometry))
        values.append(value)
    outlines = np.empty(len(found), np.object_)
    outlines[:] = found
    outlines = shapely.transform(outlines, lambda points: points + np.array([0, strip.top]))
    indices = np.array(values, np.int32)
    first, last = (_owners(outlines, y, strip.rows.shape[1]) for y in (strip.top, strip.bottom))
    areas = measure(outlines) if measure else np.full(len(outlines), np.inf)
    if tolerance:
        dense = shapely.transform(shapely.segmentize(outlines, 1.0), np.rint)
        outlines = shapely.coverage_simplify(dense, tolerance, simplify_boundary=False)
        outlines = _with_points(outlines, lambda points, _: _framed(strip, points, True))
        with_class = indices != nodata
        number = np.append(np.where(with_class, np.cumsum(with_class) - 1, -1), -1)
        outlines, indices, areas = outlines[with_class], indices[with_class], areas[with_class]
        first, last = number[first], number[last]
    else:
        ends = np.union1d(first, last)
        ends = ends[ends >= 0]
        dense = shapely.transform(shapely.segmentize(outlines[ends], 1.0), np.rint)
        outlines[ends] = _with_points(dense, lambda points, turns: _framed(strip, points, turns))
    return _Pieces(outlines, indices, areas, first, last)


def _framed(
    strip: Strip, points: npt.NDArray[np.float64], within: npt.NDArray[np.bool_] | bool
) -> npt.NDArray[np.bool_]:
    """Choose the points that both sides of a frame share, and the given ones within."""
    return np.where(strip.is_frame(points), strip.is_needed(points), within)


def _owners(outlines: Outlines, y: int, width: int) -> npt.NDArray[np.intp]:
    """Return, for every pixel along a line, the outline with a side there, or -1."""
    import shapely

    points, owner = shapely.get_coordinates(shapely.get_exterior_ring(outlines), return_index=True)
    side = (owner[1:] == owner[:-1]) & (points[1:, 1] == y) & (points[:-1, 1] == y)
    ends = np.sort(np.stack([points[:-1, 0][side], points[1:, 0][side]]).astype(np.intp), axis=0)
    steps = np.zeros(width + 1, np.intp)
    np.add.at(steps, ends[0], owner[:-1][side] + 1)
    np.subtract.at(steps, ends[1], owner[:-1][side] + 1)
    return np.cumsum(steps[:-1]) - 1


def _with_points(
    outlines: Outlines,
    chosen: Callable[[npt.NDArray[np.float64], npt.NDArray[np.bool_]], npt.NDArray[np.bool_]],
) -> Outlines:
    """Return polygons with a selection of their vertices.

    Args:
        outlines: (N,) polygons.
        chosen: Gets the vertices, and whether the outline turns at each (along rows or columns).
    """
    import shapely

    if len(outlines) == 0:
        return outlines
    rings, owner = shapely.get_rings(outlines, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    # A ring's last point repeats its first.
    starts = np.flatnonzero(np.diff(ring, prepend=-1))
    lasts = np.append(starts[1:], len(ring)) - 1
    before, after = np.arange(len(ring)) - 1, np.arange(len(ring)) + 1
    before[starts] = lasts - 1
    after[lasts] = starts + 1
    straight = ((points[before] == points) & (points == points[after])).any(axis=1)
    keep = chosen(points, ~straight)
    keep[lasts] = False
    kept = shapely.linearrings(points[keep], indices=ring[keep])
    result: Outlines = shapely.polygons(kept, indices=owner)
    return result


@dataclass
class _Waiting:
    """A patch that continues below the line."""

    index: int
    pieces: list[Any] = field(default_factory=list)
    area: float = 0.0
    vertices: int = 0

    def take(self, other: "_Waiting") -> None:
        self.pieces += other.pieces
        self.area += other.area
        self.vertices += other.vertices


@dataclass(frozen=True)
class _Line:
    """The line between two strips, and the patches that may cross it.

    Attributes:
        owners: (width,), the number of the patch that the pixel above the line belongs to, or -1.
        waiting: The patches.
    """

    owners: npt.NDArray[np.intp]
    waiting: list[_Waiting]

    @staticmethod
    def above_all(width: int) -> "_Line":
        return _Line(np.full(width, -1, np.intp), [])

    def passed(self, strip: Strip, pieces: _Pieces, straighten: bool) -> tuple["_Line", Patches]:
        """Join a strip's pieces to the waiting patches.

        Returns:
            The next line, and the finished patches.
        """
        import shapely

        ends = np.setdiff1d(np.union1d(pieces.first, pieces.last), [-1])
        place = np.full(len(pieces.outlines) + 1, -1)  # and -1 stays -1
        place[ends] = len(self.waiting) + np.arange(len(ends))
        new = [
            _Waiting(
                int(pieces.indices[end]), [pieces.outlines[end]], float(pieces.areas[end]),
                int(shapely.get_num_coordinates(pieces.outlines[end])),
            )
            for end in ends
        ]  # fmt: skip
        groups, group_of = self._joined(strip, new, place[pieces.first])
        owners = np.append(group_of, -1)[place[pieces.last]]
        continues = np.zeros(len(groups), bool)
        if strip.below is not None:
            continues[owners[owners >= 0]] = True
        cut = _cut_longest(groups, continues)
        number = np.append(np.where(continues, np.cumsum(continues) - 1, -1), -1)
        line = _Line(
            number[owners], [group for group, on in zip(groups, continues, strict=True) if on]
        )
        ended = [group for group, on in zip(groups, continues, strict=True) if not on]
        outlines = np.empty(len(ended), np.object_)
        outlines[:] = [_united(group.pieces, straighten) for group in ended]
        whole = np.ones(len(pieces.outlines), bool)
        whole[ends] = False
        return line, Patches(
            np.concatenate([pieces.outlines[whole], outlines]),
            np.append(pieces.indices[whole], [group.index for group in ended]).astype(np.int32),
            np.append(pieces.areas[whole], [group.area for group in ended]),
            cut,
            len(strip.rows),
        )

    def _joined(
        self, strip: Strip, new: list[_Waiting], first: npt.NDArray[np.intp]
    ) -> tuple[list[_Waiting], npt.NDArray[np.intp]]:
        """Join waiting patches and new ones where they have pixels of a class side by side.

        Args:
            strip: Below the line.
            new: Its pieces that touch a line; their numbers follow those of the waiting patches.
            first: (width,), the number of the piece that the pixel below the line belongs to, or
                -1.

        Returns:
            The patches, and for each of the old and new pieces the patch that it belongs to.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        members = self.waiting + new
        if not members:
            return [], np.empty(0, np.intp)
        same = (self.owners >= 0) & (first >= 0)
        if strip.above is not None:
            same &= strip.above == strip.rows[0]
        links = (np.ones(np.count_nonzero(same)), (self.owners[same], first[same]))
        _, group_of = connected_components(
            coo_array(links, (len(members), len(members))), directed=False
        )
        firsts = np.unique(group_of, return_index=True)[1]
        groups = [members[number] for number in firsts]
        for number, (member, group) in enumerate(zip(members, group_of, strict=True)):
            if number != firsts[group]:
                groups[group].take(member)
        return groups, group_of.astype(np.intp)


def _cut_longest(groups: list[_Waiting], continues: npt.NDArray[np.bool_]) -> int:
    """End the patches with most vertices until the rest fit the limit; return how many."""
    vertices = np.array([group.vertices for group in groups], np.int64) * continues
    cut = 0
    while vertices.sum() > _HELD_VERTICES:
        longest = int(vertices.argmax())
        vertices[longest], continues[longest] = 0, False
        cut += 1
    return cut


def _united(pieces: list[Any], straighten: bool) -> Any:
    import shapely

    if len(pieces) > 1:
        pieces = list(shapely.get_parts(shapely.coverage_union_all(pieces)))
        assert len(pieces) == 1  # they share sides of pixels
    if straighten:
        return _with_points(np.array(pieces, np.object_), lambda _, turns: turns)[0]
    return pieces[0]
