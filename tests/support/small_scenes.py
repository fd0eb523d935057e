"""Small datasets for tests of tiling: scenes with labels in several layouts."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from PIL import Image
from rasterio.crs import CRS

from dnas_cli.scenes.opening import without_georeference

GID_COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 255, 255], [255, 255, 0], [0, 0, 255], [0, 0, 0]], np.uint8
)


def write_raster(path: Path, bands: npt.NDArray[Any], **profile: Any) -> None:
    """Write bands (B, H, W) as a GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "dtype": bands.dtype.name} | profile
    with (
        without_georeference(),
        rasterio.open(path, "w", count=count, height=height, width=width, **profile) as file,
    ):
        file.write(bands)


def replace_unnoticed(path: Path) -> None:
    """Change the last byte of a file, but neither its size nor the time of its content."""
    content, facts = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def behind_vrts(path: Path) -> Path:
    """Move a raster to a folder `parts`, put a VRT of a VRT of it into its place; return that."""
    parts = path.parent / "parts"
    parts.mkdir(exist_ok=True)
    inner, outer = parts / f"{path.stem}.vrt", path.with_suffix(".vrt")
    with without_georeference():
        rasterio.shutil.copy(path.rename(parts / path.name), inner, driver="VRT")
        rasterio.shutil.copy(inner, outer, driver="VRT")
    return outer


def class_indices(seed: int, height: int, width: int) -> npt.NDArray[np.intp]:
    """Random patches of the five classes of GID and 5 for unlabelled."""
    patches = np.random.default_rng(seed).integers(0, 6, (-(-height // 10), -(-width // 10)))
    return np.kron(patches, np.ones((10, 10), int))[:height, :width]


def make_gid(folder: Path, scenes: int = 5, height: int = 100, width: int = 130) -> Path:
    """Make scenes in GID-5's layout: bands NIR R G B in UTM, colour labels with black gaps."""
    for number in range(scenes):
        random = np.random.default_rng(number)
        image = random.integers(1, 255, (4, height, width)).astype(np.uint8)
        write_raster(
            folder / f"image_NirRGB/GF2_{number}.tif",
            image,
            crs=CRS.from_epsg(32650),
            transform=rasterio.Affine(4, 0, 500_000 + 1000 * number, 0, -4, 3_000_000),
        )
        label = GID_COLOURS[class_indices(number, height, width)]
        write_raster(folder / f"label_5classes/GF2_{number}_label.tif", label.transpose(2, 0, 1))
    return folder


PLAIN_YAML = """\
bands: [a, b]
classes: {low: [10, 10, 10], high: [200, 0, 0]}
"""


def make_plain(folder: Path, scenes: int = 5, dtype: str = "uint16", **profile: Any) -> Path:
    """Make `images/` beside `masks/`, two bands without georeference, with a `dataset.yaml`."""
    for number in range(scenes):
        random = np.random.default_rng(number)
        image = (random.normal(1000, 200, (2, 70, 64)) + 100 * number).astype(dtype)
        image[:, :5, :5] = profile.get("nodata", 0)
        write_raster(folder / f"images/s{number}.tif", image, **profile)
        label = np.where(image[0] > 1000, 1, 0)
        colours = np.array([[10, 10, 10], [200, 0, 0]], np.uint8)[label]
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(colours).save(folder / f"masks/s{number}.png")
    (folder / "dataset.yaml").write_text(PLAIN_YAML)
    return folder
