"""The covers of a synthetic landscape from above, in red, green, blue and near infrared.

The colours of the classes overlap on purpose, as in real scenes: young crops look like meadow,
orchards like forest, bare soil like roofs, and dark water like shadow. They differ in texture,
shape and neighbourhood.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from dnas_cli.demo.layout import BUILT_UP, FARMLAND, FOREST, MEADOW, WATER, Layout
from dnas_cli.demo.patterns import (
    Field,
    Mask,
    Parcels,
    fractal_noise,
    grain,
    share_of,
    shifted,
    smooth_noise,
)

Image = npt.NDArray[Any]  # (4, H, W) float32 or float64
Spectrum = tuple[float, float, float, float]

_BARE_LIGHT: Spectrum = (158, 138, 112, 128)
_BARE_DARK: Spectrum = (94, 84, 74, 70)
_BARE_RED: Spectrum = (150, 104, 84, 120)
_RIPE: Spectrum = (172, 158, 108, 150)
_CROP_YOUNG: Spectrum = (98, 112, 76, 146)
_CROP_DENSE: Spectrum = (60, 88, 58, 154)
_WET: Spectrum = (66, 74, 66, 50)
_ORCHARD: Spectrum = (58, 76, 54, 124)
_FILM: Spectrum = (176, 180, 182, 150)  # fields under plastic film
_CROPS = (
    _BARE_LIGHT, _BARE_DARK, _BARE_RED, _RIPE, _CROP_YOUNG, _CROP_DENSE, _WET, _ORCHARD, _FILM,
)  # fmt: skip
_CROP_SHARES = (0.12, 0.12, 0.08, 0.12, 0.2, 0.16, 0.08, 0.08, 0.04)
_ORCHARD_INDEX = 7

_CONIFER: Spectrum = (40, 60, 46, 92)
_BROADLEAF: Spectrum = (72, 98, 62, 152)
_MEADOW_LUSH: Spectrum = (78, 104, 66, 156)
_MEADOW_DRY: Spectrum = (142, 134, 94, 142)

_WATER_CLEAR: Spectrum = (34, 52, 58, 32)
_WATER_SILT: Spectrum = (112, 108, 86, 78)
_WATER_ALGAE: Spectrum = (52, 84, 58, 92)

_ROOFS: tuple[Spectrum, ...] = (
    (154, 100, 82, 118), (134, 86, 74, 104), (142, 140, 138, 124), (206, 206, 204, 186),
    (110, 132, 160, 120), (82, 80, 84, 72), (168, 150, 128, 138),
)  # fmt: skip
_ASPHALT: Spectrum = (104, 102, 102, 92)
_CONCRETE: Spectrum = (150, 146, 136, 134)
_GARDEN: Spectrum = (84, 100, 68, 138)
_ROCK: Spectrum = (164, 152, 130, 142)


def paint(generator: np.random.Generator, layout: Layout) -> Image:
    """Paint a layout as (4, H, W) reflected light, about 0..255, without atmosphere and sensor."""
    image = _bare_ground(generator, layout)
    for cover, painter in (
        (FARMLAND, _farmland),
        (MEADOW, _meadow),
        (FOREST, _forest),
        (WATER, _water),
        (BUILT_UP, _built_up),
    ):
        mask = layout.cover == cover
        if mask.any():
            image = np.where(mask, painter(generator, layout), image)
    return _shaded(image, layout)


def _flat(spectrum: Spectrum) -> Image:
    return np.array(spectrum, np.float32)[:, None, None]


def _between(first: Spectrum, second: Spectrum, share: Field) -> Image:
    """Mix two spectra; the share of the second may differ from pixel to pixel."""
    share = np.clip(share, 0, 1)
    return np.asarray(_flat(first) * (1 - share) + _flat(second) * share)


def _chosen(spectra: tuple[Spectrum, ...], index: npt.NDArray[np.int64]) -> Image:
    """Return (4, H, W) from a table of spectra and (H, W) positions in it."""
    table = np.array(spectra, np.float32)
    return np.ascontiguousarray(table[index].transpose(2, 0, 1))


def _farmland(generator: np.random.Generator, layout: Layout) -> Image:
    """Parcels of one crop each, with its rows, its own tone and a track or hedge around."""
    fields, shape = layout.fields, layout.cover.shape
    crop = np.searchsorted(np.cumsum(_CROP_SHARES)[:-1], fields.share_of(41))
    tone = 0.82 + 0.36 * fields.share_of(42)
    growth = 1 + 0.05 * fractal_noise(generator, shape, 28.0, octaves=3)
    image = _chosen(_CROPS, crop) * tone * growth

    sideways = fields.share_of(43) < 0.25  # worked across the long side
    position = np.where(sideways, fields.along, fields.across)
    period = 3.2 + 4.5 * fields.share_of(44)
    rows = np.sin(2 * np.pi * position / period)
    strength = 0.08 + 0.12 * fields.share_of(45)
    image *= 1 + strength * rows

    # Orchards: trees on a square grid, over grass.
    trees = np.sin(2 * np.pi * fields.along / 5) * np.sin(2 * np.pi * fields.across / 5)
    orchard = crop == _ORCHARD_INDEX
    image = np.where(orchard, _between(_MEADOW_LUSH, _CONIFER, 0.5 + 0.6 * trees), image)

    hedge = share_of(fields.number, 46) < 0.3
    edge = np.clip(1.6 - fields.border, 0, 1)
    side = np.where(hedge, _flat(_CONIFER) * 1.15, _flat(_BARE_LIGHT))
    return image * (1 - edge) + side * edge


def _meadow(generator: np.random.Generator, layout: Layout) -> Image:
    """Smooth grass from lush to dry, with a bush here and there."""
    shape = layout.cover.shape
    dryness = 0.38 + 0.3 * fractal_noise(generator, shape, 90.0, octaves=3)
    image = _between(_MEADOW_LUSH, _MEADOW_DRY, dryness)
    image = image * (1 + 0.03 * smooth_noise(generator, shape, 9.0))
    bush = grain(generator, shape, 1.3) > 2.7
    return np.where(bush, _flat(_CONIFER), image)


def _forest(generator: np.random.Generator, layout: Layout) -> Image:
    """Crowns lit from the upper left, in stands from dark conifers to bright broadleaves."""
    shape = layout.cover.shape
    broadleaf = 0.45 + 0.35 * fractal_noise(generator, shape, 70.0, octaves=4)
    image = _between(_CONIFER, _BROADLEAF, broadleaf)
    crowns = grain(generator, shape, 1.15) + 0.7 * grain(generator, shape, 2.2)
    lit = crowns - np.roll(crowns, (-2, -2), (0, 1))
    return image * np.clip(1 + 0.13 * crowns + 0.11 * lit, 0.35, 1.8)


def _water(generator: np.random.Generator, layout: Layout) -> Image:
    """Each body of water has its own silt and algae; the surface is almost smooth."""
    body, shape = layout.water_body, layout.cover.shape
    silt = share_of(body, 51) ** 1.5 + 0.08 * smooth_noise(generator, shape, 60.0)
    image = _between(_WATER_CLEAR, _WATER_SILT, silt)
    algae = 0.9 * (share_of(body, 52) - 0.35) + 0.12 * smooth_noise(generator, shape, 40.0)
    image = image * (1 - np.clip(algae, 0, 1)) + _flat(_WATER_ALGAE) * np.clip(algae, 0, 1)
    glint = 9 * (share_of(body, 53) < 0.3) * (1 + smooth_noise(generator, shape, 80.0))
    return np.asarray(image + glint + 1.2 * grain(generator, shape, 0.8))


def _built_up(generator: np.random.Generator, layout: Layout) -> Image:
    """Blocks of houses with gardens, or of halls with yards, between streets."""
    shape, blocks = layout.cover.shape, layout.blocks
    greenery = grain(generator, shape, 1.6)
    garden = _between(_GARDEN, _CONIFER, 0.3 + 0.45 * greenery)
    yard = _flat(_CONCRETE) * (1 + 0.07 * smooth_noise(generator, shape, 7.0))
    kind = blocks.share_of(61)
    industrial, park = kind < 0.22, kind > 0.94
    paved = industrial | (kind < 0.4)
    image = np.where(paved, yard, garden)

    plots, halls = layout.plots, layout.halls
    house = (plots.share_of(62) < 0.8) & (plots.border > 1.0 + 0.6 * plots.share_of(63))
    hall = (halls.share_of(62) < 0.7) & (halls.border > 1.8)
    off_street = blocks.border > 3.2
    house &= ~industrial & ~park & off_street
    hall &= industrial & off_street
    image = _with_roofs(image, plots, house, ridge=0.13)
    image = _with_roofs(image, halls, hall, ridge=0.04)

    street = (blocks.border < 2.1) | layout.roads
    surface = _flat(_ASPHALT) * (1 + 0.05 * grain(generator, shape, 1.0))
    return np.where(street, surface, image)


def _with_roofs(image: Image, parcels: Parcels, roof: Mask, ridge: float) -> Image:
    """Put a roof with a lit and a dark side on each parcel, and its shadow on the ground."""
    shadow = (shifted(roof, 1, 1) | shifted(roof, 2, 2)) & ~roof
    image = np.where(shadow, image * 0.5, image)
    kind = (parcels.share_of(71) * len(_ROOFS)).astype(np.int64)
    lit = 1 + ridge * np.sign(parcels.across) + 0.12 * (parcels.share_of(72) - 0.5)
    return np.where(roof, _chosen(_ROOFS, kind) * lit, image)


def _bare_ground(generator: np.random.Generator, layout: Layout) -> Image:
    rough = fractal_noise(generator, layout.cover.shape, 20.0, octaves=4)
    return _flat(_ROCK) * (1 + 0.1 * rough)


def _shaded(image: Image, layout: Layout) -> Image:
    """Add the light and shade of slopes, and the shadow that woods throw to the lower right."""
    ground = cv2.GaussianBlur(layout.elevation, (0, 0), 4)
    slope = np.asarray(cv2.Sobel(ground, cv2.CV_32F, 1, 1, ksize=5))
    slope = slope + cv2.Sobel(ground, cv2.CV_32F, 1, 0, ksize=5)
    light = 1 + 0.07 * np.clip(slope / (slope.std() + 1e-6), -2, 2)
    light[layout.cover == WATER] = 1.0
    wood = layout.cover == FOREST
    shadow = shifted(wood, 1, 1) | shifted(wood, 2, 2)
    light[shadow & ~wood] *= 0.62
    return np.asarray(image * light, np.float32)
