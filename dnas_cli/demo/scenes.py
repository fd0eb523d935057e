"""Synthetic landscapes as files, in the layout and naming of GID-5 and its Gaofen-2 products."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import Affine

from dnas_cli.demo.landscape import make_landscape
from dnas_cli.demo.layout import GID5
from dnas_cli.files import atomic_path
from dnas_cli.scenes.palette import palette_table

BANDS = ("red", "green", "blue", "nir")
IMAGES = "image_RGBNIR"
LABELS = "label_5classes"

_PIXEL = 4.0  # metres, as of Gaofen-2's multispectral camera
_CRS = "EPSG:32650"  # UTM zone 50 N
_WEST, _NORTH = 412_000.0, 3_392_000.0  # near Wuhan; the first scene's corner
_SEEDS_PER_DEMO = 1000  # scene `number` of seed `s` is landscape `1000 s + number`


def scene_name(number: int) -> str:
    """Return a name like that of a Gaofen-2 product, such as GF2_PMS1__L1A0001000001-MSS1."""
    camera = 1 + number % 2
    return f"GF2_PMS{camera}__L1A{1_000_000 + number:010d}-MSS{camera}"


def scene_paths(folder: Path, number: int) -> tuple[Path, Path]:
    """Return the paths of a scene's image and label in a folder of GID-5's layout."""
    name = scene_name(number)
    return folder / IMAGES / f"{name}.tif", folder / LABELS / f"{name}_label.tif"


def write_scenes(
    folder: Path,
    seed: int,
    numbers: range,
    size: int,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Write the missing scenes.

    Images are 4-band 8-bit GeoTIFFs in `image_RGBNIR`, labels RGB images of the five GID colours,
    black where there is no label, in `label_5classes`.

    Args:
        folder: The folder for both.
        seed: Another seed gives other landscapes.
        numbers: Which scenes; a number is the same landscape in every folder.
        size: Height and width in pixels.
        advance: Called with 1 after each scene.
    """
    for number in numbers:
        image_path, label_path = scene_paths(folder, number)
        if not (image_path.exists() and label_path.exists()):
            image, label = make_landscape(seed * _SEEDS_PER_DEMO + number, size, size)
            _write_image(image_path, image, number)
            _write_label(label_path, label, number)
        advance(1)


def _write_image(path: Path, image: npt.NDArray[np.uint8], number: int) -> None:
    # Unspecified: the fourth band is near infrared, which GDAL would declare alpha.
    with (
        atomic_path(path) as temporary,
        rasterio.open(temporary, "w", **_profile(image, number), alpha="unspecified") as target,
    ):
        target.write(image)
        for band, name in enumerate(BANDS, start=1):
            target.set_band_description(band, name)


def _write_label(path: Path, label: npt.NDArray[np.uint8], number: int) -> None:
    colours = np.ascontiguousarray(palette_table(GID5)[label].transpose(2, 0, 1))  # (3, H, W)
    with (
        atomic_path(path) as temporary,
        rasterio.open(temporary, "w", **_profile(colours, number)) as target,
    ):
        target.write(colours)


def _profile(image: npt.NDArray[np.uint8], number: int) -> dict[str, object]:
    """Return GDAL's creation settings; scenes lie side by side from west to east."""
    count, height, width = image.shape
    west = _WEST + number * width * _PIXEL
    return {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": "uint8",
        "crs": _CRS,
        "transform": Affine(_PIXEL, 0.0, west, 0.0, -_PIXEL, _NORTH),
        "interleave": "pixel",
        "photometric": "RGB",
        "compress": "deflate",
    }
