"""Scenes for tests of `dnas predict`, and reading what it wrote."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import Affine

from dnas_cli.scenes.opening import without_georeference


def write_scene(path: Path, count: int = 3, seed: int = 0, **profile: Any) -> Path:
    """Write a scene of 150 x 130 pixels with some structure."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 10, 9)).astype(np.uint8)
    values = np.repeat(np.repeat(coarse, 15, axis=1), 15, axis=2)[:, :150, :130]
    if profile.get("crs") and "transform" not in profile:
        profile["transform"] = Affine(10, 0, 500_000, 0, -10, 4_000_000)
    with (
        without_georeference(),
        rasterio.open(
            path, "w", driver="GTiff", count=count, height=150, width=130, dtype="uint8",
            **profile,
        ) as raster,
    ):  # fmt: skip
        raster.write(values)
    return path


def read(path: Path) -> npt.NDArray[Any]:
    """Read the first band."""
    with without_georeference(), rasterio.open(path) as raster:
        values: npt.NDArray[Any] = raster.read(1)
    return values
