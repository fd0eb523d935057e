"""A preview: the scene under the colours of its map, with a legend."""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling

from dnas_cli.files import write_bytes
from dnas_cli.scenes.fonts import font_for
from dnas_cli.scenes.opening import opened
from dnas_cli.scenes.palette import LandClass, palette_table
from dnas_cli.scenes.raster import Raster

_LONGEST = 2000  # pixels
_STRENGTH = 0.45  # of the class colours
_RGB = {"red": 660.0, "green": 560.0, "blue": 480.0}  # nanometres
_NEAR = 60.0  # nanometres


def write_overlay(
    target: Path,
    scene: Raster,
    draft: Path,
    classes: Sequence[LandClass],
    tags: Mapping[str, str],
) -> None:
    """Write a preview PNG of a map over its scene, at most 2000 pixels on the longer side.

    Pixels without data are transparent.

    Args:
        target: The file; replaced atomically.
        scene: The scene, open.
        draft: Its map as a GeoTIFF of class indices and a declared nodata value.
        classes: The classes; position is the index.
        tags: Metadata of the file.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    values, _ = scene.preview(_LONGEST)
    with opened(draft) as raster:
        indices = raster.read(1, out_shape=values.shape[1:], resampling=Resampling.nearest)
        shown = indices != raster.nodata
    picture = natural_colours(values, shown, scene.bands, scene.wavelengths)  # (h, w, 3)
    colours = palette_table(tuple(classes))[indices]
    mixed = picture * (1 - _STRENGTH) + colours * _STRENGTH
    rgba = np.dstack([mixed.astype(np.uint8), np.where(shown, 255, 0).astype(np.uint8)])
    image = Image.fromarray(rgba)
    present = []
    for index, item in enumerate(classes):
        here = indices == index
        if here.any():  # the legend shows a class as it looks in the picture, on average
            red, green, blue = (int(channel) for channel in mixed[here].mean(axis=0))
            present.append(LandClass(item.name, (red, green, blue)))
    content = BytesIO()
    info = PngInfo()
    for key, value in tags.items():
        info.add_text(key, value)
    with_legend(image, present).save(content, format="PNG", pnginfo=info)
    write_bytes(target, content.getvalue())


def _picture_bands(bands: Sequence[str], wavelengths: Sequence[float | None]) -> list[int]:
    """Select red, green and blue by name or wavelength, else the first three, else the first."""
    names = [name.lower() for name in bands]
    known = [(item, index) for index, item in enumerate(wavelengths) if item is not None]
    chosen = []
    for colour, wanted in _RGB.items():
        distance, nearest = min(
            ((abs(nanometres - wanted), index) for nanometres, index in known),
            default=(math.inf, 0),
        )
        if colour in names:
            chosen.append(names.index(colour))
        elif distance <= _NEAR:
            chosen.append(nearest)
    if len(chosen) == len(_RGB):
        return chosen
    return [0, 1, 2] if len(names) >= 3 else [0, 0, 0]


def natural_colours(
    values: npt.NDArray[Any],
    shown: npt.NDArray[np.bool_],
    bands: Sequence[str],
    wavelengths: Sequence[float | None] = (),
) -> npt.NDArray[np.uint8]:
    """Stretch the bands of red, green and blue between their 2nd and 98th percentiles.

    Args:
        values: (B, H, W) band values.
        shown: (H, W) pixels that hold data; the others are black.
        wavelengths: Their nanometres, where they are known.

    Returns:
        (H, W, 3) colours.
    """
    picture = np.zeros((*shown.shape, 3), np.uint8)
    if not shown.any():
        return picture
    for channel, band in enumerate(values[_picture_bands(bands, wavelengths)]):
        low, high = np.percentile(band[shown].astype(np.float64), (2, 98))
        span = high - low or 1.0
        stretched = np.clip((band[shown].astype(np.float64) - low) / span, 0, 1)
        picture[shown, channel] = 255 * stretched
    return picture


def with_legend(image: Any, classes: Sequence[LandClass]) -> Any:
    """Return a picture (RGBA) with swatches and names of classes below it."""
    from PIL import Image, ImageDraw, ImageFont

    path, names = font_for(item.name for item in classes)
    font = ImageFont.truetype(str(path), 14) if path else ImageFont.load_default(size=14)
    line, margin, swatch = 22, 8, 14
    widths = [swatch + 6 + int(font.getlength(name)) + 16 for name in names]
    width = max([image.width, *(item + 2 * margin for item in widths)])
    places, x, y = [], margin, margin
    for item_width in widths:
        if x > margin and x + item_width > width - margin:
            x, y = margin, y + line
        places.append((x, y))
        x += item_width
    height = image.height + (y + line + margin if classes else 0)
    page = Image.new("RGBA", (width, height), (255, 255, 255, 255))
    page.paste((255, 255, 255, 0), (0, 0, width, image.height))
    page.paste(image, ((width - image.width) // 2, 0))
    draw = ImageDraw.Draw(page)
    for item, name, (x, y) in zip(classes, names, places, strict=True):
        top = image.height + y
        box = (x, top, x + swatch, top + swatch)
        draw.rectangle(box, fill=item.colour, outline=(90, 90, 90))
        draw.text((x + swatch + 6, top - 2), name, fill=(30, 30, 30), font=font)
    return page
