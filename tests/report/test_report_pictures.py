"""Confusion matrices and maps beside their truth, as tables and pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnas_cli.demo.layout import GID5
from dnas_cli.metrics import IGNORE, ConfusionMatrix
from dnas_cli.report.confusion import write_confusion_csv, write_confusion_png
from dnas_cli.report.lattice_over_epochs import write_deciding
from dnas_cli.report.pictures import class_picture, outlined
from dnas_cli.scenes.palette import LandClass


@pytest.mark.parametrize("count", [1, 5, 24])
def test_confusion_pictures_grow_with_the_number_of_classes(tmp_path: Path, count: int) -> None:
    classes = [LandClass(f"land class {index}", (index, 99, 200)) for index in range(count)]
    matrix = ConfusionMatrix(count)
    matrix.counts[:] = 3
    write_confusion_png(tmp_path / "c.png", matrix, classes, "title")
    with Image.open(tmp_path / "c.png") as picture:
        assert min(picture.size) > 45 * count  # room for a number of two digits in each cell


def test_pixels_without_a_prediction_have_a_column_of_their_own(tmp_path: Path) -> None:
    matrix = ConfusionMatrix(2)
    matrix.add(np.array([0, 0, 1]), np.array([0, IGNORE, 1]))
    classes = [LandClass("a", (1, 2, 3)), LandClass("b", (4, 5, 6))]
    write_confusion_csv(tmp_path / "c.csv", matrix, classes)

    rows = (tmp_path / "c.csv").read_text().splitlines()
    assert rows == ["label \\ prediction,a,b,(none)", "a,1,0,1", "b,0,1,0"]


def test_a_picture_of_maps_shows_the_colours_of_the_classes(tmp_path: Path) -> None:
    label = np.repeat(np.array([[0, 1, 2, 3, 4, IGNORE]], np.uint8), 6, axis=0)
    pictures = [(name, class_picture(label, GID5)) for name in ("truth", "$map$ 地图")]
    write_deciding(tmp_path / "s.png", None, pictures, GID5)

    with Image.open(tmp_path / "s.png") as picture:
        assert picture.width > picture.height
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert {land_class.colour for land_class in GID5} <= colours


def test_outlines_follow_borders_between_classes_and_not_those_of_the_picture() -> None:
    label = np.zeros((20, 20), np.uint8)
    label[:, 10:] = 1
    image, valid = np.zeros((3, 20, 20), np.uint8), np.ones((20, 20), np.bool_)
    picture = outlined(image, valid, ("red", "green", "blue"), label, GID5)
    assert (picture[:, 8:10] == GID5[0].colour).all()
    assert (picture[:, 10:12] == GID5[1].colour).all()
    assert (picture[:, :8] == 0).all()
    assert (picture[:, 12:] == 0).all()
