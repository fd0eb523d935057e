"""Operations on images in memory, by OpenCV: affine resampling, blur, low resolution."""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

FloatImage = npt.NDArray[np.float32]
Affine = npt.NDArray[np.float64]

_MOST_BANDS = 4  # that OpenCV resamples at once


def warp_image(image: FloatImage, affine: Affine, size: int) -> FloatImage:
    """Resample an image bilinearly; it is mirrored beyond its border.

    Where the result shows the image smaller, the image is smoothed first, against aliasing.

    Args:
        image: (B, H, W).
        affine: (2, 3), from (x, y) of a pixel of the result to (x, y) in the image.

    Returns:
        (B, size, size).
    """
    step = math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))  # pixels of the image per pixel
    smooth = blur(image, 0.5 * math.sqrt(step**2 - 1)) if step > 1.1 else image
    return np.concatenate(
        [
            _as_bands(
                _warp(
                    np.ascontiguousarray(smooth[first : first + _MOST_BANDS].transpose(1, 2, 0)),
                    affine,
                    size,
                    True,
                )
            )
            for first in range(0, len(image), _MOST_BANDS)
        ]
    )


def warp_classes(classes: npt.NDArray[np.uint8], affine: Affine, size: int) -> npt.NDArray[Any]:
    """Resample a map (H, W) of classes, or of anything that has no values between, by the nearest.

    Beyond its border it is mirrored as the image is.
    """
    return _warp(np.ascontiguousarray(classes), affine, size, False)


def _warp(pixels: npt.NDArray[Any], affine: Affine, size: int, smooth: bool) -> npt.NDArray[Any]:
    kind = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    result: npt.NDArray[Any] = cv2.warpAffine(
        pixels,
        affine,
        (size, size),
        flags=kind | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return result


def blur(image: FloatImage, deviation: float) -> FloatImage:
    """Smooth an image (B, H, W) by a Gaussian of a deviation in pixels."""
    return np.stack([cv2.GaussianBlur(band, (0, 0), deviation) for band in image])


def lower_resolution(image: FloatImage, share: float) -> FloatImage:
    """Show an image (B, H, W) as if its pixels were larger: 0.5 halves the resolution."""
    height, width = image.shape[1:]
    small = (max(round(width * share), 1), max(round(height * share), 1))
    return np.stack(
        [
            cv2.resize(
                cv2.resize(band, small, interpolation=cv2.INTER_AREA),
                (width, height),
                interpolation=cv2.INTER_LINEAR,
            )
            for band in image
        ]
    )


def _as_bands(pixels: FloatImage) -> FloatImage:
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
