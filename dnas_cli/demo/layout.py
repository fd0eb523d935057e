"""The layout of a synthetic landscape: rivers, lakes, towns, roads, woods, meadows, fields.

Sizes are in pixels and meant for about 4 m per pixel: a house is 3 to 6 pixels long, a field 30 to
100, a town 150.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dnas_cli.demo.patterns import (
    Field,
    Mask,
    Numbers,
    Parcels,
    fractal_noise,
    highest,
    parcels,
    share_of,
    smooth_noise,
)
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.palette import LandClass

GID5 = (
    LandClass("built-up", (255, 0, 0)),
    LandClass("farmland", (0, 255, 0)),
    LandClass("forest", (0, 255, 255)),
    LandClass("meadow", (255, 255, 0)),
    LandClass("water", (0, 0, 255)),
)
BUILT_UP, FARMLAND, FOREST, MEADOW, WATER = range(5)

_DISTRICT = 170.0  # pixels between the centres of districts, which share the direction of fields


@dataclass(frozen=True)
class Layout:
    """A landscape before it is painted. All arrays are (H, W).

    Attributes:
        cover: What covers the ground: a class index, or `IGNORE` for bare rock and sand.
        elevation: Height of the ground, zero mean and unit deviation.
        fields: The parcels of farmland.
        blocks: The blocks of built-up land, with streets along their borders.
        plots: Where houses stand, one for each plot.
        halls: Where large buildings stand.
        roads: Roads between towns; part of built-up land.
        water_body: Number of the river, lake or pond; 0 elsewhere.
    """

    cover: npt.NDArray[np.uint8]
    elevation: Field
    fields: Parcels
    blocks: Parcels
    plots: Parcels
    halls: Parcels
    roads: Mask
    water_body: Numbers


def lay_out(generator: np.random.Generator, shape: tuple[int, int]) -> Layout:
    """Lay out a landscape of the given height and width."""
    elevation = fractal_noise(generator, shape, 220.0, octaves=5)
    bend = (
        4 * smooth_noise(generator, shape, 90.0),
        4 * smooth_noise(generator, shape, 90.0),
    )
    district, angle = _districts(generator, shape)
    fields = parcels(
        district,
        angle,
        length=55 + 60 * share_of(district, 11),
        breadth=22 + 26 * share_of(district, 12),
        warp=bend,
    )
    straight = (np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    blocks = parcels(district, angle, _constant(shape, 48), _constant(shape, 34), straight)
    plots = parcels(district, angle, _constant(shape, 8), _constant(shape, 7), straight)
    halls = parcels(district, angle, _constant(shape, 26), _constant(shape, 15), straight)

    from_river, river = _river(generator, shape)
    lakes = _lakes(generator, elevation, has_river=bool(river.any()))
    towns, roads = _towns_and_roads(generator, shape, blocks, river | lakes)
    cover = _open_land(generator, elevation, fields, from_river)
    cover[_bare_ground(generator, shape, from_river)] = IGNORE
    pond = (fields.share_of(21) < 0.5) & (share_of(district, 22) < 0.12) & (cover == FARMLAND)
    cover[pond & (fields.border > 2.5)] = WATER
    cover[towns] = BUILT_UP
    cover[river | lakes] = WATER
    cover[roads] = BUILT_UP
    _, water_body = cv2.connectedComponents((cover == WATER).astype(np.uint8))
    return Layout(
        cover, elevation, fields, blocks, plots, halls, roads, water_body.astype(np.int64)
    )


def _constant(shape: tuple[int, int], value: float) -> Field:
    return np.full(shape, value, np.float32)


def _districts(generator: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Field]:
    """Divide the scene into districts; return their numbers and the direction of their fields."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x += 12 * smooth_noise(generator, shape, 80.0)
    y += 12 * smooth_noise(generator, shape, 80.0)
    nearest = np.full(shape, np.inf, np.float32)
    district = np.zeros(shape, np.int64)
    angle = np.zeros(shape, np.float32)
    lie = generator.uniform(0, np.pi)  # most fields of a landscape have about the same direction
    for row in np.arange(-0.5, height / _DISTRICT + 0.5):
        for column in np.arange(-0.5, width / _DISTRICT + 0.5):
            centre_y = (row + generator.uniform(0, 1)) * _DISTRICT
            centre_x = (column + generator.uniform(0, 1)) * _DISTRICT
            distance = (x - centre_x) ** 2 + (y - centre_y) ** 2
            closer = distance < nearest
            nearest[closer] = distance[closer]
            district[closer] = generator.integers(1, 1 << 40)
            angle[closer] = lie + generator.normal(0, 0.35)
    return district, angle


def _river(generator: np.random.Generator, shape: tuple[int, int]) -> tuple[Field, Mask]:
    """Draw a meandering river in four scenes of five.

    Returns:
        The distance to its axis in pixels (very large without a river), and its mask.
    """
    if generator.random() < 0.2:
        return _constant(shape, 1e4), np.zeros(shape, np.bool_)
    axis = _curve(generator, shape, generator.uniform(0, np.pi), bends=3.5, swing=0.09)
    distance = _distance_to(axis, shape)
    half_width = generator.uniform(8, 18) * (1 + 0.3 * smooth_noise(generator, shape, 70.0))
    return distance, distance < np.clip(half_width, 5, None)


def _curve(
    generator: np.random.Generator,
    shape: tuple[int, int],
    direction: float,
    bends: float,
    swing: float,
    through: tuple[float, float] | None = None,
) -> npt.NDArray[np.float64]:
    """Return a winding line across the scene as (points, 2) in x, y.

    Args:
        generator: Random generator.
        direction: Mean direction in radians.
        bends: Number of bends over the scene's diagonal.
        swing: How far the bends go, as a share of the diagonal.
        through: Relative position (x, y) near the line; the middle by default.
    """
    height, width = shape
    diagonal = float(np.hypot(height, width))
    if through is None:
        through = (generator.uniform(0.3, 0.7), generator.uniform(0.3, 0.7))
    position = np.linspace(-1.2, 1.2, 400)
    offset = np.zeros_like(position)
    for multiple in (0.5, 1.0, 2.1):
        phase = generator.uniform(0, 2 * np.pi)
        wave = np.sin(position * np.pi * bends * multiple + phase)
        offset += swing / multiple**0.9 * generator.uniform(0.5, 1) * wave
    x = through[0] * width + diagonal * (position * np.cos(direction) - offset * np.sin(direction))
    y = through[1] * height + diagonal * (position * np.sin(direction) + offset * np.cos(direction))
    return np.stack([x, y], axis=1)


def _distance_to(line: npt.NDArray[np.float64], shape: tuple[int, int]) -> Field:
    canvas = np.full(shape, 255, np.uint8)
    cv2.polylines(canvas, [np.round(line).astype(np.int32)], False, 0)
    if canvas.all():
        return _constant(shape, 1e4)
    distance: Field = cv2.distanceTransform(canvas, cv2.DIST_L2, 5)
    return distance


def _lakes(generator: np.random.Generator, elevation: Field, has_river: bool) -> Mask:
    """Fill the lowest places: more of them where there is no river."""
    share = generator.uniform(0.005, 0.05) if has_river else generator.uniform(0.06, 0.14)
    smooth = cv2.GaussianBlur(elevation, (0, 0), 7)
    return highest(-smooth, share)


def _towns_and_roads(
    generator: np.random.Generator, shape: tuple[int, int], blocks: Parcels, water: Mask
) -> tuple[Mask, Mask]:
    """Place a few towns of whole blocks on dry land, and join them by roads."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    count = max(1, round(height * width / 512**2 * generator.uniform(2, 4)))
    ragged = 16 * fractal_noise(generator, shape, 60.0, octaves=3)
    dry = np.flatnonzero(~water)
    inside = _constant(shape, -1e4)
    road_distance = _constant(shape, 1e4)
    for number in range(count):
        centre = int(dry[generator.integers(0, len(dry))]) if len(dry) else 0
        centre_y, centre_x = divmod(centre, width)
        radius = generator.uniform(65, 105) if number == 0 else generator.uniform(20, 60)
        inside = np.maximum(inside, radius - np.hypot(y - centre_y, x - centre_x) + ragged)
        if number < min(2, 1 + count // 3):
            place = (centre_x / width, centre_y / height)
            road = _curve(generator, shape, generator.uniform(0, np.pi), 1.5, 0.02, place)
            road_distance = np.minimum(road_distance, _distance_to(road, shape))
    towns = blocks.at_centre(inside) > 0
    return towns, road_distance < generator.uniform(2.6, 3.8)


def _open_land(
    generator: np.random.Generator, elevation: Field, fields: Parcels, from_river: Field
) -> npt.NDArray[np.uint8]:
    """Cover the land with woods on the heights, meadows along water, and fields elsewhere."""
    shape = elevation.shape
    wood = fractal_noise(generator, shape, 140.0, octaves=5) + 0.7 * elevation
    grass = fractal_noise(generator, shape, 150.0, octaves=3) + 2.0 * np.exp(-from_river / 45)
    # Half of the parcels are wholly woodland or meadow, which gives straight edges.
    managed = fields.share_of(31) < 0.5
    wood = np.where(managed, fields.at_centre(wood), wood)
    grass = np.where(managed, fields.at_centre(grass), grass)

    cover = np.full(shape, FARMLAND, np.uint8)
    cover[highest(grass, generator.uniform(0.2, 0.36))] = MEADOW
    cover[highest(wood, generator.uniform(0.16, 0.34))] = FOREST
    return cover


def _bare_ground(generator: np.random.Generator, shape: tuple[int, int], from_river: Field) -> Mask:
    """Return quarries and sand banks, which belong to no class."""
    sand = fractal_noise(generator, shape, 45.0, octaves=4) + 1.2 * np.exp(-from_river / 16)
    return highest(sand, generator.uniform(0.02, 0.06))
