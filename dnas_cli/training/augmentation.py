"""Random crops, mirrors, light and scale, as functions of (seed, epoch, tile) only.

They do not depend on workers, batches or earlier draws, so resumed training continues with the same
samples.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from dnas_cli.metrics import IGNORE
from dnas_cli.run.settings import Augmentation

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Label = npt.NDArray[np.uint8]


def sample_generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Return the random generator of one tile in one epoch."""
    return np.random.default_rng([seed, epoch, index])


def random_crop(
    image: Image, valid: Mask, label: Label, size: int, rng: np.random.Generator
) -> tuple[Image, Mask, Label]:
    """Crop a random square; a tile that is not larger stays whole.

    Args:
        image: (B, H, W).
        valid: (H, W).
        label: (H, W).
        size: Side of the square in pixels; 0 keeps the tile.
        rng: Random generator.
    """
    height, width = label.shape
    if size == 0 or (height <= size and width <= size):
        return image, valid, label
    rows, columns = _random_window(label, (min(size, height), min(size, width)), rng)
    return image[:, rows, columns], valid[rows, columns], label[rows, columns]


def random_symmetry(
    image: Image, valid: Mask, label: Label, kind: Augmentation, rng: np.random.Generator
) -> tuple[Image, Mask, Label]:
    """Mirror a tile at random, or apply one of the eight symmetries of the square."""
    turns = int(rng.integers(4)) if kind != "mirror" and _is_square(label) else 0
    mirror = bool(rng.integers(2))
    if turns:
        image = np.rot90(image, turns, (1, 2))
        valid, label = np.rot90(valid, turns), np.rot90(label, turns)
    if mirror:
        image, valid, label = image[..., ::-1], valid[:, ::-1], label[:, ::-1]
    return image, valid, label


def random_light(
    image: npt.NDArray[np.float32],
    valid: Mask,
    black: npt.NDArray[np.float32],
    rng: np.random.Generator,
    width: float = 1.0,
) -> npt.NDArray[np.float32]:
    """Change the light, as between scenes: exposure and haze, slightly different per band.

    Exposure multiplies the sensor's values by 0.6 to 1.7, which changes mean and contrast; haze
    adds to them.

    Args:
        image: (B, H, W), normalised; 0 where there is no data, which stays 0.
        valid: (H, W).
        black: (B,), the normalised value of a raw zero. It is limited to two deviations below the
            mean (temperatures, say, are farther).
        rng: Random generator.
        width: Factor on the ranges of exposure and haze.
    """
    bands, half, fifth = len(image), 0.5 * width, 0.2 * width
    gain = np.exp(rng.uniform(-half, half) + rng.uniform(-0.03, 0.03, (bands, 1, 1)))
    haze = rng.uniform(-fifth, fifth) + rng.uniform(-0.03, 0.03, (bands, 1, 1))
    zero = np.clip(black, -2.0, 0.0)[:, None, None]
    changed = (image - zero) * gain.astype(np.float32) + (zero + haze).astype(np.float32)
    return np.where(valid, changed, np.float32(0))


def random_scale(
    image: npt.NDArray[np.float32], valid: Mask, label: Label, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], Mask, Label]:
    """Scale half of the tiles by 0.67 to 1.5, as from another ground resolution.

    An enlarged tile is cropped at random; a reduced one lies anywhere within the tile, surrounded
    by no data.

    Args:
        image: (B, H, W), normalised; 0 where there is no data.
        valid: (H, W).
        label: (H, W).
        rng: Random generator.
    """
    if rng.integers(2):
        return image, valid, label
    factor = float(np.exp(rng.uniform(-0.4, 0.4)))
    height, width = label.shape
    share = min(factor, 1 / factor)
    part = max(round(height * share), 1), max(round(width * share), 1)
    rows, columns = _random_window(label, part, rng)
    if factor > 1:
        return _resized(
            image[:, rows, columns], valid[rows, columns], label[rows, columns], (height, width)
        )
    smaller, data, classes = _resized(image, valid, label, part)
    around = (rows.start, height - rows.stop), (columns.start, width - columns.stop)
    return (
        np.pad(smaller, ((0, 0), *around)),
        np.pad(data, around),
        np.pad(classes, around, constant_values=IGNORE),
    )


def _random_window(
    label: Label, size: tuple[int, int], rng: np.random.Generator
) -> tuple[slice, slice]:
    """Return the rows and columns of a window of a size, anywhere within the tile."""
    row, column = (
        int(rng.integers(whole - part + 1)) for whole, part in zip(label.shape, size, strict=True)
    )
    return slice(row, row + size[0]), slice(column, column + size[1])


def _resized(
    image: npt.NDArray[np.float32], valid: Mask, label: Label, size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], Mask, Label]:
    """Resize an image, bilinearly and without aliasing, with its validity and label."""
    values = torch.from_numpy(np.ascontiguousarray(image))[None]
    resized = F.interpolate(values, size, mode="bilinear", antialias=True)[0].numpy()
    rows, columns = (
        ((np.arange(to) + 0.5) * of / to).astype(np.intp)
        for to, of in zip(size, label.shape, strict=True)
    )
    nearest = np.ix_(rows, columns)
    return np.where(valid[nearest], resized, np.float32(0)), valid[nearest], label[nearest]


def _is_square(label: Label) -> bool:
    height, width = label.shape
    return bool(height == width)
