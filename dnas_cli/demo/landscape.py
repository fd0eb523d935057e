"""A synthetic landscape seen by a satellite: the image and its labels."""

import cv2
import numpy as np
import numpy.typing as npt

from dnas_cli.demo.layout import lay_out
from dnas_cli.demo.patterns import Field, grain, smooth_noise
from dnas_cli.demo.surfaces import Image, paint
from dnas_cli.metrics import IGNORE


def make_landscape(
    seed: int, height: int, width: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Make land cover and the image of it; the same seed and size give the same landscape.

    Args:
        seed: Non-negative; another seed gives another landscape.
        height: Rows, at about 4 m per pixel.

    Returns:
        (4, height, width) red, green, blue, near infrared, and (height, width) positions in
        `layout.GID5`, 255 where there is no label.
    """
    generator = np.random.default_rng([seed, height, width])
    layout = lay_out(generator, (height, width))
    image = _through_air(generator, paint(generator, layout))
    return _sensed(generator, image), _labelled(generator, layout.cover)


def _through_air(generator: np.random.Generator, image: Image) -> Image:
    """Add what varies between and within scenes: season, sun, haze, cloud shadow."""
    shape = (image.shape[1], image.shape[2])
    season = generator.normal(1.0, 0.05, 4).astype(np.float32)[:, None, None]
    sun = generator.uniform(0.88, 1.12) * (1 + 0.09 * _ramp(generator, shape))
    image = image * season * sun

    depth = np.clip(smooth_noise(generator, shape, 160.0) - 0.9, 0, 0.35) / 0.35
    image = image * (1 - 0.45 * generator.uniform(0, 1) * cv2.GaussianBlur(depth, (0, 0), 4))

    haze = 0.1 * np.clip(1 + smooth_noise(generator, shape, 240.0), 0, 2.2)
    haze = haze * generator.uniform(0.1, 1)
    white = np.array((188, 194, 204, 170), np.float32)[:, None, None]
    return np.asarray(image * (1 - haze) + white * haze, np.float32)


def _ramp(generator: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Return a plane from -1 to 1 across the scene in a random direction."""
    height, width = shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    direction = generator.uniform(0, 2 * np.pi)
    plane = (x * np.cos(direction) + y * np.sin(direction)) / np.sqrt(2)
    return np.asarray(plane, np.float32)


def _sensed(generator: np.random.Generator, image: Image) -> npt.NDArray[np.uint8]:
    """Blur by the optics, add noise, and quantise to 8 bits."""
    bands = []
    for band in image:
        blurred = cv2.GaussianBlur(band, (0, 0), 0.55)
        noise = 2.2 * generator.standard_normal(band.shape, np.float32)
        noise += 0.8 * grain(generator, (band.shape[0], band.shape[1]), 1.0)
        bands.append(blurred + noise)
    return np.clip(np.round(np.stack(bands)), 1, 255).astype(np.uint8)


def _labelled(
    generator: np.random.Generator, cover: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Label the cover as an interpreter would: generalised, and not everywhere.

    Groups of a few pixels are not drawn, and some areas have no label.
    """
    label: npt.NDArray[np.uint8] = np.asarray(cv2.medianBlur(cover, 3), np.uint8)
    doubt = smooth_noise(generator, cover.shape, 60.0)
    label[doubt > np.quantile(doubt, 1 - generator.uniform(0.02, 0.07))] = IGNORE
    return label
