"""Scenes that show the same ground, such as two dates of one place: they belong to one split."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dnas_cli.datasets.inspection import ImageFacts

_SHARED = 0.1  # of the smaller footprint; neighbours of a map series overlap by less

Floats = npt.NDArray[np.float64]


def overlapping_scenes(images: Sequence[ImageFacts]) -> dict[str, str]:
    """Return the group of every scene that overlaps another one: the first name in the group.

    Two overlap if they share more than a tenth of the smaller footprint. Footprints are convex.
    """
    placed = sorted((facts.pair.scene, facts.outline) for facts in images if facts.outline)
    prints = [_Footprint(points) for _, points in placed]
    centres = np.array([item.centre for item in prints]).reshape(-1, 3)
    radii = np.array([_angles(item.corners, item.centre).max() for item in prints])
    parent: dict[str, str] = {}

    def root(scene: str) -> str:
        while parent.setdefault(scene, scene) != scene:
            scene = parent[scene]
        return scene

    for number, (scene, _) in enumerate(placed):
        near = _angles(centres[number + 1 :], centres[number]) < (
            radii[number] + radii[number + 1 :]
        )
        for other in (np.flatnonzero(near) + number + 1).tolist():
            name = placed[other][0]
            if name != scene and _shared(prints[number], prints[other]) > _SHARED:
                first, second = sorted((root(scene), root(name)))
                parent[second] = first
    groups = {scene: root(scene) for scene in parent}
    sizes = list(groups.values())
    return {scene: group for scene, group in groups.items() if sizes.count(group) > 1}


class _Footprint:
    """The convex hull of points on the ground, as unit vectors: they know no date line, no pole."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        longitude, latitude = np.radians(np.array(points, np.float64)).T
        flat = np.cos(latitude)
        sphere = np.column_stack(
            [flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)]
        )
        self.centre = _unit(sphere.mean(axis=0))
        self.axes = _axes(self.centre)
        plane = _flattened(sphere, self.axes)
        hull = _hull(plane)
        self.corners = sphere[hull]  # (n, 3)
        self.area = _area(plane[hull])


def _unit(vector: Floats) -> Floats:
    return vector / (np.linalg.norm(vector) or 1.0)


def _angles(points: Floats, centre: Floats) -> Floats:
    """Return the angles between unit vectors (n, 3) and one."""
    return np.asarray(2 * np.arcsin(np.clip(np.linalg.norm(points - centre, axis=1) / 2, 0, 1)))


def _shared(one: _Footprint, other: _Footprint) -> float:
    """Return the share of the smaller of two footprints that both have."""
    smaller = min(one.area, other.area)
    first, second = (_flattened(item.corners, one.axes) for item in (one, other))
    sides = np.minimum(first.max(0), second.max(0)) - np.maximum(first.min(0), second.min(0))
    if smaller == 0 or (sides <= 0).any() or sides.prod() <= _SHARED * smaller:
        return 0.0  # not even the boxes around them share so much
    return _area(_cut(first, second)) / smaller


def _axes(centre: Floats) -> Floats:
    """Return east, north and up (3, 3) at a place."""
    east = _unit(np.cross((0.0, 0.0, 1.0) if abs(centre[2]) < 0.9 else (1.0, 0.0, 0.0), centre))
    return np.stack([east, np.cross(centre, east), centre])


def _flattened(points: Floats, axes: Floats) -> Floats:
    """Bring unit vectors (n, 3) to a plane that keeps areas (Lambert's, about a place): (n, 2)."""
    turned = points @ axes.T
    scale = np.sqrt(2 / np.maximum(1 + turned[:, 2:], 1e-12))
    return np.asarray(turned[:, :2] * scale)


def _hull(points: Floats) -> list[int]:
    """Return which points (n, 2) are corners of their convex hull, counterclockwise."""
    places = points.tolist()
    ordered = sorted(range(len(places)), key=lambda number: (places[number][0], places[number][1]))
    halves = []
    for run in (ordered, ordered[::-1]):
        half: list[int] = []
        for number in run:
            while len(half) > 1 and _turn(places[half[-2]], places[half[-1]], places[number]) <= 0:
                half.pop()
            half.append(number)
        halves.append(half[:-1])
    return halves[0] + halves[1]


def _turn(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _cut(subject: Floats, by: Floats) -> Floats:
    """Return the part of a polygon (n, 2) inside a convex one (Sutherland and Hodgman 1974)."""
    points = subject.tolist()
    for start, end in zip(by.tolist(), np.roll(by, -1, axis=0).tolist(), strict=True):
        sides = [_turn(start, end, point) for point in points]
        kept = []
        for number, (point, side) in enumerate(zip(points, sides, strict=True)):
            before, other = points[number - 1], sides[number - 1]
            if (side >= 0) != (other >= 0):
                share = other / (other - side)
                kept.append([p + share * (q - p) for p, q in zip(before, point, strict=True)])
            if side >= 0:
                kept.append(point)
        points = kept
    return np.array(points, np.float64).reshape(-1, 2)


def _area(corners: Floats) -> float:
    x, y = corners.T
    return math.fabs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
