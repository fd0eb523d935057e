"""Small pictures of tiles: the scene in natural brightness, labels, maps, errors, confidence."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.fonts import font_for
from dnas_cli.scenes.overlay import natural_colours, with_legend
from dnas_cli.scenes.palette import LandClass, palette_table

Picture = npt.NDArray[np.uint8]  # (H, W, 3)

_WRONG, _RIGHT, _UNLABELLED = (194, 65, 12), (225, 228, 232), (255, 255, 255)


def class_picture(indices: npt.NDArray[np.uint8], classes: Sequence[LandClass]) -> Picture:
    """Return class indices (H, W) in the classes' colours; pixels without a class are white."""
    colours = palette_table(tuple(classes))[indices]
    colours[indices == IGNORE] = _UNLABELLED
    return colours


def error_picture(truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]) -> Picture:
    """Return where a map is wrong, in one colour; unlabelled pixels are white."""
    picture = np.full((*truth.shape, 3), _RIGHT, np.uint8)
    picture[truth != predicted] = _WRONG
    picture[truth == IGNORE] = _UNLABELLED
    return picture


def confidence_picture(confidence: npt.NDArray[np.float32]) -> Picture:
    """Return probabilities (H, W) as grey: white is sure."""
    grey = np.asarray(255 * np.clip(confidence, 0, 1), np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def outlined(
    image: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    bands: Sequence[str],
    label: npt.NDArray[np.uint8],
    classes: Sequence[LandClass],
) -> Picture:
    """Return a tile (B, H, W) in natural colours with its classes as outlines."""
    picture = natural_colours(image, valid, bands)
    inner = np.ones(label.shape, np.bool_)
    height, width = label.shape
    around = np.pad(label, 2, mode="edge")
    for step in (-2, -1, 1, 2):
        inner &= around[2 + step : 2 + step + height, 2:-2] == label
        inner &= around[2:-2, 2 + step : 2 + step + width] == label
    edge = ~inner & (label != IGNORE)
    picture[edge] = palette_table(tuple(classes))[label[edge]]
    return picture


def contact_sheet(
    pictures: Sequence[tuple[str, Picture]], classes: Sequence[LandClass], columns: int, side: int
) -> Image.Image:
    """Return pictures in rows with their names, and a legend of the classes below."""
    line, gap = 16, 6
    images = [_sized(picture, side) for _, picture in pictures]
    rows = [images[k : k + columns] for k in range(0, len(images), columns)]
    tops = [gap]
    for row in rows:
        tops.append(tops[-1] + max(image.height for image in row) + line + gap)
    sheet = Image.new("RGB", (columns * (side + gap) + gap, tops[-1]), "white")
    pen = ImageDraw.Draw(sheet)
    path, names = font_for((name[-side // 8 :] for name, _ in pictures), kind="tile")
    font = ImageFont.truetype(str(path), 12) if path else ImageFont.load_default(size=12)
    for number, (name, image) in enumerate(zip(names, images, strict=True)):
        x, y = gap + number % columns * (side + gap), tops[number // columns]
        sheet.paste(image, (x, y))
        pen.text((x, y + image.height + 1), name, fill=(60, 60, 60), font=font)
    page: Image.Image = with_legend(sheet.convert("RGBA"), classes).convert("RGB")
    return page


def data_uri(picture: Picture, side: int, photograph: bool) -> str:
    """Return a picture as a `data:` address.

    Args:
        picture: The picture.
        side: Pixels that its longer side is brought to.
        photograph: Compress it as JPEG; else as a PNG of few colours.
    """
    content, image = BytesIO(), _sized(picture, side, smooth=photograph)
    if photograph:
        image.save(content, format="JPEG", quality=80, subsampling=0)  # outlines keep their colours
        kind = "jpeg"
    else:
        image.quantize(64).save(content, format="PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{b64encode(content.getvalue()).decode()}"


def _sized(picture: Picture, side: int, smooth: bool = False) -> Image.Image:
    """Return a picture whose longer side has `side` pixels."""
    way = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).resize(size, way)
