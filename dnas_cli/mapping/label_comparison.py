"""A map against the labels of its scene."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnas_cli.console import logger
from dnas_cli.datasets.description import load_description
from dnas_cli.errors import DataError
from dnas_cli.mapping.scene_result import Comparison
from dnas_cli.metrics import IGNORE, ConfusionMatrix
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.label_survey import settled_encoding, too_many_unknown
from dnas_cli.scenes.placed_labels import LabelFiles, PlacedLabels
from dnas_cli.scenes.raster import Raster, Window
from dnas_cli.scenes.rows import Rows

_ROWS = 512  # read at once


@dataclass(frozen=True)
class SceneLabels:
    """Labels of a scene, to compare its map with.

    Attributes:
        files: How it is laid over the scene and read.
        max_unknown: The largest share of pixels of no known colour or value.
    """

    path: str
    files: LabelFiles
    max_unknown: float

    def check(self, scene: Raster) -> int:
        """Read the labels before the map is made; return the number of unknown pixels.

        Raises:
            DataError: They cannot be read, have another size than the scene, label nothing, or hold
                too much that is no class.
        """
        with self.files.open_over(scene) as labels:
            labelled, unknown = look_through(labels, self.max_unknown)
        if not labelled:
            raise DataError(f"{self.path}: labels nothing: no pixel has a class.")
        return unknown

    def compare(self, scene: Raster, unknown: int, indices: Rows) -> Comparison:
        """Compare a whole map with the labels."""
        classes = self.files.encoding.classes
        matrix = ConfusionMatrix(len(classes))
        with self.files.open_over(scene) as labels:
            for row in range(0, indices.height, _ROWS):
                rows = indices.read(row, min(row + _ROWS, indices.height))[0]
                add_rows(matrix, labels, row, rows)
        if not matrix.pixels:
            logger.warning("%s: every labelled pixel lies where the scene has no data", self.path)
        return Comparison(self.path, unknown, classes, matrix)


def settled_labels(
    path: str, dataset: str | None, facts: ModelFacts, model: str, max_unknown: float, as_is: bool
) -> SceneLabels:
    """Settle how labels are read: as `dataset` says, else as those that the model learnt from.

    Raises:
        DataError: The dataset description is wrong or has other classes than the model.
    """
    encoding = facts.label_encoding
    if dataset is not None:
        encoding = load_description(dataset).encoding
        facts.refuse_other_classes([item.name for item in encoding.classes], dataset, model)
    settled = settled_encoding(encoding, [path], described=dataset is not None)
    return SceneLabels(path, LabelFiles((Path(path),), settled, as_is=as_is), max_unknown)


def look_through(labels: PlacedLabels, max_unknown: float) -> tuple[int, int]:
    """Count the pixels of a label that have a class, and those of no known colour or value.

    Raises:
        DataError: Too many are of no known colour or value.
    """
    for note in labels.notes:
        logger.warning("%s: %s", labels.path, note)
    labelled = unknown = 0
    for window in labels.windows():
        indices, odd = labels.read(window)
        labelled += int((indices != IGNORE).sum())
        unknown += int(odd.sum())
    share = unknown / (labels.width * labels.height)
    if share > max_unknown:
        raise DataError(
            f"{labels.path}: {too_many_unknown(labels, share, max_unknown)}.",
            f"{_what_labels_are(labels.encoding)} Give dataset=... for labels that are written "
            "otherwise, or a larger max_unknown=....",
        )
    if unknown:
        kind = "value" if labels.encoding.kind == "index" else "colour"
        logger.warning(
            "%s: %s pixels (%.1f %%) have the %s of no class (%s); they count as unlabelled",
            labels.path, f"{unknown:,}", 100 * share, kind, labels.unknown_values(),
        )  # fmt: skip
    return labelled, unknown


def add_rows(
    matrix: ConfusionMatrix, labels: PlacedLabels, row: int, indices: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Compare rows of a map with their labels; pixels of the scene without data are not scored.

    Args:
        matrix: What the pixels are added to.
        row: The first row.
        indices: (h, W) classes of the map, 255 where the scene holds no data; pixels of classes
            that the labels do not have are not scored either.

    Returns:
        (h, W) labels that were scored, else 255.
    """
    truth, _ = labels.read(Window(row, 0, *indices.shape))
    truth[indices >= matrix.classes] = IGNORE
    matrix.add(truth, indices)
    return truth


def _what_labels_are(encoding: LabelEncoding) -> str:
    names = [item.name for item in encoding.classes]
    if encoding.kind == "index":
        values = encoding.class_of_value.items()
        known = ", ".join(f"{value} {names[index]}" for value, index in values)
    else:
        colours = encoding.class_of_colour.items()
        known = ", ".join(f"{names[index]} {colour}" for colour, index in colours)
    return f"Known are: {known}."
