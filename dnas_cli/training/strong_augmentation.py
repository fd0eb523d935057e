"""The strong augmentation: any scale and rotation, light by gamma and contrast, worse optics.

Like all augmentation it is a function of (seed, epoch, tile). Scale, rotation, mirror and crop are
one resampling; beyond the border of a tile it is mirrored, so that every pixel trains.
"""

import math

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.image_operations import blur, lower_resolution, warp_classes, warp_image

FloatImage = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Label = npt.NDArray[np.uint8]

SMALLEST, LARGEST = 0.5, 2.0  # that a tile is shown at


def strong_augmentation(
    image: FloatImage,
    valid: Mask,
    label: Label,
    black: FloatImage,
    size: int,
    rng: np.random.Generator,
    light: float = 1.0,
) -> tuple[FloatImage, Mask, Label]:
    """Show a tile as another sensor, at another time and from another side, might.

    Args:
        image: (B, H, W), normalised; 0 without data, which stays.
        valid: (H, W).
        label: (H, W).
        black: (B,), what a raw value of zero is after normalisation.
        rng: Random generator.
        light: Factor on the ranges of changes of light.
    """
    affine = random_view(label.shape[0], label.shape[1], size, rng)
    image = warp_image(image, affine, size)
    valid = warp_classes(valid.view(np.uint8), affine, size).astype(bool)
    label = warp_classes(label, affine, size)
    image = random_exposure(image, black, rng, light)
    image = _random_optics(image, rng)
    return np.where(valid, image, np.float32(0)), valid, np.where(valid, label, np.uint8(IGNORE))


def random_view(
    height: int, width: int, size: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the map from pixels of a view to those of a tile: scale, rotation, mirror, place.

    The view lies within the tile where it fits, and else in its middle.

    Returns:
        (2, 3), of (x, y).
    """
    scale = math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST)))
    angle, mirror = rng.uniform(-math.pi, math.pi), 1 - 2 * int(rng.integers(2))
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    turn = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    reach = np.abs(turn).sum(1) * size / 2  # of half the view along x and y
    centre = [
        length / 2 if 2 * half >= length else rng.uniform(half, length - half)
        for length, half in zip((width, height), reach, strict=True)
    ]
    place = np.array(centre) - 0.5 - turn @ np.full(2, (size - 1) / 2)
    return np.column_stack([turn, place])


def random_exposure(
    image: FloatImage, black: FloatImage, rng: np.random.Generator, width: float = 1.0
) -> FloatImage:
    """Change gamma, brightness and contrast of an image, and a little of each band.

    Args:
        image: (B, H, W), normalised.
        black: (B,), as `random_light` takes it.
        rng: Random generator.
        width: Factor on the ranges.
    """
    some, half, fifth = 0.4 * width, 0.5 * width, 0.2 * width
    zero = np.clip(black, -2.0, 0.0)[:, None, None]
    light = np.maximum(image - zero, 0)
    mean = float(light.mean()) or 1.0
    gamma = math.exp(rng.uniform(-some, some))
    light = mean * (light / mean) ** np.float32(gamma)
    bands = rng.uniform(-0.08, 0.08, (len(image), 1, 1))
    light = light * np.exp(rng.uniform(-half, half) + bands).astype(np.float32)
    middle = light.mean((1, 2), keepdims=True)
    contrast, haze = math.exp(rng.uniform(-some, some)), rng.uniform(-fifth, fifth)
    changed: FloatImage = (light - middle) * np.float32(contrast) + middle
    return changed + zero + np.float32(haze)


def _random_optics(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Blur some images, lower the resolution of some, and add noise to some."""
    chances = rng.random(3)
    if chances[0] < 0.2:
        image = blur(image, rng.uniform(0.5, 1.5))
    if chances[1] < 0.15:
        image = lower_resolution(image, rng.uniform(0.4, 0.9))
    if chances[2] < 0.2:
        noise = rng.standard_normal(image.shape, np.float32)
        image = image + noise * np.float32(rng.uniform(0.02, 0.15))
    return image
