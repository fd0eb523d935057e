"""Pictures are read as they are shown."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnas_cli.scenes.raster import Window, open_raster
from tests.support.command_line import dnas
from tests.support.reported_inputs import INDEX, dataset, png, quarters, tiles_of

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip
"""What a camera did to the picture when it wrote the tag."""


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("tag", TURNS)
def test_every_orientation_is_turned_upright_window_by_window(
    tag: int, suffix: str, tmp_path: Path
) -> None:
    upright = np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = tag
    more = {"lossless": True} if suffix == "webp" else {}
    stored = Image.fromarray(upright).transpose(TURNS[tag])
    path = png(tmp_path / f"p.{suffix}", stored, exif=exif, **more)
    with open_raster(path) as raster:
        assert (raster.height, raster.width) == (40, 30)
        part = raster.read(Window(7, 3, 20, 9))
    assert np.array_equal(part.transpose(1, 2, 0), upright[7:27, 3:12])


def test_a_label_drawn_on_the_upright_picture_fits_it(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", "classes: {dark: [0, 0, 0], bright: [255, 0, 0]}\n")
    shown = np.zeros((64, 64, 3), np.uint8)
    shown[:32] = 200
    exif = Image.Exif()
    exif[0x0112] = 3
    label = np.zeros((64, 64, 3), np.uint8)
    label[:32] = (255, 0, 0)
    for number in range(3):
        stored = Image.fromarray(shown[::-1, ::-1].copy())
        png(folder / f"images/s{number}.jpg", stored, exif=exif, quality=95)
        png(folder / f"masks/s{number}.png", label)
    tiles = tiles_of(folder)
    read = [tiles.read(ref) for ref in tiles.split("train")]
    bright = [image[:, indices == 1].mean() for image, _, indices in read if 1 in indices]
    assert len(bright) == len(read) / 2
    assert bright == pytest.approx([200] * len(bright), abs=1)


def test_palette_pictures_are_scenes_of_red_green_and_blue(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        quantized = Image.fromarray(picture).quantize(64)
        png(folder / f"images/s{number}.png", quantized)
        png(folder / f"labels/s{number}.png", quarters())
    tiles = tiles_of(folder)
    assert tiles.bands == ("red", "green", "blue")
    first = tiles.split("train")[0]
    image, _, _ = tiles.read(first)
    with Image.open(folder / f"images/{first.scene}.png") as source:
        shown = np.asarray(source.convert("RGB"))
    assert np.array_equal(image.transpose(1, 2, 0), shown[:32, :32])


def test_further_pages_are_told(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    page = Image.fromarray(np.full((64, 64, 3), 9, np.uint8))
    for number in range(3):
        png(folder / f"images/s{number}.tif", page, save_all=True, append_images=[page])
        png(folder / f"labels/s{number}.png", quarters())
    said = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, "--workers", 1).stderr
    assert said.count("holds 2 pages; only the first one is read") == 1
