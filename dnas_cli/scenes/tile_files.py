"""Writing tiles cut from scenes: image tiles as GeoTIFF, label tiles as palette PNG.

Tiles are encoded in memory and written by plain file operations, so that a full disk is noticed
where it happens; GDAL itself does not always say.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from dnas_cli.errors import DnasError
from dnas_cli.scenes.georeference import Georeference, set_georeference
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.palette import LandClass, palette_table
from dnas_cli.scenes.raster import Window

_CACHE = 64  # MiB of decoded blocks that GDAL keeps; its own choice is 5 % of all memory
_TIFF_TILE = 256


@contextmanager
def cutting_environment() -> Iterator[None]:
    """Bound GDAL's memory and keep masks inside the files while tiles are cut.

    Files beside a raster (masks, world files, `.aux.xml`) are looked for one by one: a list of its
    folder for every raster takes long where the folder has thousands.
    """
    with rasterio.Env(
        GDAL_CACHEMAX=_CACHE,
        GDAL_TIFF_INTERNAL_MASK=True,
        GDAL_DISABLE_READDIR_ON_OPEN="TRUE",
    ):
        yield


def write_image_tile(
    path: Path,
    image: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    bands: tuple[str, ...],
    nodata: float | None,
    georeference: Georeference,
) -> int:
    """Write an image tile as a compressed GeoTIFF that keeps band names, nodata and place.

    A mask is stored where nodata alone does not say which pixels hold data.

    Args:
        path: The file; its folder exists.
        image: (B, H, W) band values.
        valid: (H, W) the pixels that hold data.
        nodata: The value that means "no data", if there is one.
        georeference: Where the tile lies; see `tile_georeference`.

    Returns:
        The CRC-32 of the file.

    Raises:
        DnasError: The file cannot be written.
    """
    count, height, width = image.shape
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": image.dtype.name,
        "nodata": nodata,
        "compress": "DEFLATE",
        "zlevel": 1,  # five times as fast as the default, five percent larger
        "interleave": "pixel",
        "predictor": 3 if image.dtype.kind == "f" else 2,
    }
    if min(height, width) >= _TIFF_TILE:
        profile |= {"tiled": True, "blockxsize": _TIFF_TILE, "blockysize": _TIFF_TILE}
    meanings = _meanings(bands)
    # Left to itself, GDAL calls the fourth band of an 8-bit image "alpha".
    profile["photometric"] = "RGB" if meanings[:3] == _RGB else "MINISBLACK"
    profile["alpha"] = "UNSPECIFIED"
    with without_georeference(), MemoryFile() as memory:
        with memory.open(**profile) as tile:
            set_georeference(tile, georeference)
            tile.colorinterp = meanings
            tile.descriptions = bands
            tile.write(image)
            if nodata is None and not valid.all():
                tile.write_mask(valid)
        return _write(path, memory.read())


def write_label_tile(
    path: Path, indices: npt.NDArray[np.uint8], classes: tuple[LandClass, ...]
) -> int:
    """Write class indices (H, W), 255 without label, as a palette PNG; return its CRC-32.

    Raises:
        DnasError: The file cannot be written.
    """
    from PIL import Image

    picture = Image.fromarray(indices)
    picture.putpalette(palette_table(classes).tobytes())
    content = BytesIO()
    picture.save(content, format="PNG", compress_level=1)
    return _write(path, content.getvalue())


def tile_georeference(scene: Georeference, window: Window) -> Georeference:
    """Return where a tile of a scene lies: everything is shifted by the tile's first pixel."""
    moved = scene
    if scene.transform is not None:
        a, b, c, d, e, f = scene.transform
        c, f = c + a * window.column + b * window.row, f + d * window.column + e * window.row
        moved = replace(moved, transform=(a, b, c, d, e, f))
    if scene.gcps:
        gcps = tuple(
            GroundControlPoint(
                point.row - window.row, point.col - window.column, point.x, point.y, point.z
            )
            for point in scene.gcps
        )
        moved = replace(moved, gcps=gcps)
    # Rational polynomials are left out: a tile of 512 pixels of a raw image is of no use to them.
    return replace(moved, rpcs=None)


_RGB = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]


def _meanings(bands: tuple[str, ...]) -> list[ColorInterp]:
    known = {"red": ColorInterp.red, "green": ColorInterp.green, "blue": ColorInterp.blue}
    meanings = [known.get(band.lower(), ColorInterp.undefined) for band in bands]
    # The colours of a TIFF are its first three bands or none.
    if meanings[:3] != _RGB:
        return [ColorInterp.gray, *[ColorInterp.undefined] * (len(bands) - 1)]
    return _RGB + [ColorInterp.undefined] * (len(bands) - 3)


def _write(path: Path, content: bytes) -> int:
    try:
        path.write_bytes(content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DnasError(
            f"{path}: cannot write ({reason}).", "Free the space or choose another place."
        ) from error
    return zlib.crc32(content)
