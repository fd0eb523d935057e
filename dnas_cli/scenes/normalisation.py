"""The step from band values to network input, the same in training and in mapping."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Normalisation:
    """`(x * scale - mean) / std`, per band (method, section 6).

    Attributes:
        scale: Factor applied to raw band values, one for all bands.
        mean: Mean of the scaled values, per band.
        std: Standard deviation of the scaled values, per band.
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

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
        mean = np.array(self.mean, np.float32)[:, None, None]
        std = np.array(self.std, np.float32)[:, None, None]
        if valid is not None:  # first of all: scaling a nodata value of -3.4e38 would overflow
            image = np.where(valid, image, np.zeros((), image.dtype))
        result = image.astype(np.float32)
        result *= np.float32(self.scale)
        result -= mean
        result /= std
        if valid is not None:
            result[:, ~valid] = 0.0
        return result

    @property
    def black(self) -> npt.NDArray[np.float32]:
        """What a raw value of zero becomes, per band."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.divide(-mean, std, dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the normalisation as plain data."""
        return {"scale": self.scale, "mean": list(self.mean), "std": list(self.std)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Normalisation":
        """Build a normalisation from plain data."""
        return Normalisation(
            float(value["scale"]),
            tuple(float(mean) for mean in value["mean"]),
            tuple(float(std) for std in value["std"]),
        )
