"""The step from band values to network input, the same in training and in mapping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FLAT = 1e-3  # of the usual deviation; an image with less in a band is the same everywhere


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of the pixels of one image, per band, in raw units."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def of_bands(self, positions: Sequence[int]) -> "Moments":
        """Return those of some bands, in their order."""
        return Moments(
            tuple(self.mean[position] for position in positions),
            tuple(self.std[position] for position in positions),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the moments as plain data."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Moments":
        """Build moments from plain data."""
        mean = tuple(float(mean) for mean in value["mean"])
        std = tuple(float(std) for std in value["std"])
        if len(mean) != len(std) or not all(map(math.isfinite, (*mean, *std))) or min(std) < 0:
            raise ValueError("mean and deviation of an image do not agree")
        return Moments(mean, std)


@dataclass(frozen=True)
class Normalisation:
    """`(x * scale - mean) / std`, per band (method, section 6).

    With one set of constants an image in other light (haze, season, another sun) comes out as
    another distribution than the network learnt from. Normalised per image, each image has mean 0
    and deviation 1 in every band, and the constants only stand in for a band without contrast.

    Attributes:
        scale: Factor applied to raw band values, one for all bands.
        mean: Mean of the scaled values, per band.
        std: Standard deviation of the scaled values, per band.
        per_image: Take mean and deviation of each image in place of these; see `of_image`.
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    per_image: bool = False

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError("normalisation needs as many means as standard deviations")
        if not all(value > 0 for value in self.std):
            raise ValueError("normalisation needs standard deviations above zero")
        if not all(math.isfinite(value) for value in (self.scale, *self.mean, *self.std)):
            raise ValueError("normalisation needs finite numbers")

    def apply(
        self, image: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
    ) -> npt.NDArray[np.float32]:
        """Normalise an image and fill its invalid pixels with the mean, which is zero then.

        Args:
            image: (B, H, W) raw band values of any dtype.
            valid: (H, W) true where the pixel holds data; all of them when missing.

        Returns:
            (B, H, W) float32.
        """
        # Numbers of more than 24 bits, such as 100,000,007, are no numbers of float32; their
        # distances from the mean are.
        exact = np.float64 if np.result_type(image.dtype, np.float32) == np.float64 else np.float32
        mean = np.array(self.mean, exact)[:, None, None]
        std = np.array(self.std, exact)[:, None, None]
        if valid is not None:  # first of all: scaling a nodata value of -3.4e38 would overflow
            image = np.where(valid, image, np.zeros((), image.dtype))
        values: npt.NDArray[Any] = image.astype(exact)
        values *= exact(self.scale)
        values -= mean
        values /= std
        result = values.astype(np.float32, copy=False)
        if valid is not None:
            result[:, ~valid] = 0.0
        return result

    @property
    def beyond_float32(self) -> tuple[int, ...]:
        """The bands, from 0, of whose raw values float32 loses more than can be neglected.

        Near the mean its numbers lie further apart than a thousandth of the deviation.
        """
        with np.errstate(all="ignore"):
            mean, std = (np.abs(np.array(values) / self.scale) for values in (self.mean, self.std))
            apart = np.spacing(mean.astype(np.float32))
            return tuple(np.flatnonzero(~(apart <= FLAT * std)).tolist())

    def of_image(self, moments: Moments | None) -> "Normalisation":
        """Return the constants for an image; these ones unless they are per image.

        Args:
            moments: Of the whole image, not of a tile or window of it; needed if per image.
        """
        if not self.per_image:
            return self
        assert moments is not None
        assert len(moments.mean) == len(self.mean)
        bands = zip(self.mean, self.std, moments.mean, moments.std, strict=True)
        chosen = [
            (own_mean, own_std)
            if own_std * self.scale > FLAT * std
            else (mean / self.scale, std / self.scale)
            for mean, std, own_mean, own_std in bands
        ]
        means, stds = zip(*chosen, strict=True)
        return Normalisation(1.0, means, stds)

    @property
    def black(self) -> npt.NDArray[np.float32]:
        """What a raw value of zero becomes, per band."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.divide(-mean, std, dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the normalisation as plain data."""
        constants = {"scale": self.scale, "mean": list(self.mean), "std": list(self.std)}
        return {**constants, "per_image": True} if self.per_image else constants

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Normalisation":
        """Build a normalisation from plain data."""
        return Normalisation(
            float(value["scale"]),
            tuple(float(mean) for mean in value["mean"]),
            tuple(float(std) for std in value["std"]),
            value.get("per_image", False) is True,
        )


class AsStored:
    """In place of a normalisation: values as they are, for a network that normalises them."""

    def apply(
        self, image: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return an image (B, H, W) as float32, NaN where a pixel holds no data."""
        result = np.array(image, np.float32)
        if valid is not None:
            result[:, ~valid] = np.nan
        return result
