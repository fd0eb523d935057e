"""A map against the labels of its scene."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnas_cli.console import logger
from dnas_cli.errors import DataError
from dnas_cli.mapping.scene_result import Comparison
from dnas_cli.metrics import IGNORE, ConfusionMatrix
from dnas_cli.scenes.labels import LabelEncoding, LabelRaster, encoding_of, open_label
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Raster, Window
from dnas_cli.scenes.writers import Rows

_ROWS = 512  # read at once


@dataclass(frozen=True)
class Truth:
    """A label raster that fits a scene.

    Attributes:
        path: The file.
        encoding: How it says which class a pixel has.
        unknown_pixels: Pixels of no known colour or value; they count as unlabelled.
    """

    path: str
    encoding: LabelEncoding
    unknown_pixels: int


def check_truth(path: str, scene: Raster, classes: tuple[LandClass, ...]) -> Truth:
    """Look through a label raster before a map is made to compare with it.

    Args:
        path: The label: class indices in one band, or the colours of the classes.
        scene: The scene it belongs to.
        classes: The classes of the map.

    Raises:
        DataError: It cannot be read, has another size than the scene, or labels nothing.
    """
    encoding = encoding_of(path, classes)
    labelled = unknown = 0
    with open_label(path, encoding) as labels:
        refuse_other_size(labels, scene)
        for row in range(0, labels.height, _ROWS):
            height = min(_ROWS, labels.height - row)
            indices, odd = labels.read(Window(row, 0, height, labels.width))
            labelled += int((indices != IGNORE).sum())
            unknown += int(odd.sum())
        if unknown:
            kind = "value" if encoding.kind == "index" else "colour"
            odd_ones = ", ".join(f"{value}: {count:,}" for value, count in labels.most_unknown())
            told = f"{unknown:,} pixels have the {kind} of no class ({odd_ones})"
            if not labelled:
                raise DataError(f"{path}: labels nothing; {told}.", _what_labels_are(classes))
            logger.warning("%s: %s; they count as unlabelled", path, told)
    if not labelled:
        raise DataError(f"{path}: labels nothing: no pixel has a class.")
    return Truth(path, encoding, unknown)


def refuse_other_size(labels: LabelRaster, scene: Raster) -> None:
    """Refuse a label that does not lie pixel on pixel over its scene.

    Raises:
        DataError: The sizes differ.
    """
    if (scene.height, scene.width) != (labels.height, labels.width):
        raise DataError(
            f"{labels.path}: has {labels.width} x {labels.height} pixels, but the scene "
            f"{scene.path} has {scene.width} x {scene.height}."
        )


def add_rows(
    matrix: ConfusionMatrix, labels: LabelRaster, row: int, indices: npt.NDArray[np.uint8]
) -> None:
    """Compare rows of a map with their labels; pixels of the scene without data are not scored.

    Args:
        matrix: What the pixels are added to.
        labels: The labels of the scene.
        row: The first row.
        indices: (h, W) classes of the map, 255 where the scene holds no data.
    """
    truth, _ = labels.read(Window(row, 0, *indices.shape))
    truth[indices == IGNORE] = IGNORE
    matrix.add(truth, indices)


def compare(truth: Truth, indices: Rows) -> Comparison:
    """Compare a whole map with its labels."""
    classes = truth.encoding.classes
    matrix = ConfusionMatrix(len(classes))
    with open_label(truth.path, truth.encoding) as labels:
        for row in range(0, indices.height, _ROWS):
            rows = indices.read(row, min(row + _ROWS, indices.height))[0]
            add_rows(matrix, labels, row, rows)
    if not matrix.pixels:
        logger.warning("%s: every labelled pixel lies where the scene holds no data", truth.path)
    return Comparison(truth.path, truth.unknown_pixels, classes, matrix)


def _what_labels_are(classes: tuple[LandClass, ...]) -> str:
    colours = ", ".join(f"{item.name} {item.colour}" for item in classes)
    return (
        f"A label has class indices (0 to {len(classes) - 1}) in one band, or the colours of the "
        f"classes: {colours}. Others are read by `dnas eval` with a dataset description."
    )
