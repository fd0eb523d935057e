"""Scoring a model on a plain folder of images and labels, mapped whole as `predict` does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from dnas_cli import console
from dnas_cli.console import logger
from dnas_cli.errors import DataError
from dnas_cli.evaluation.evaluate import check_classes
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.stream import rows_of_windows, stream_map
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.labels import LabelEncoding, open_label
from dnas_cli.scenes.palette import IGNORE
from dnas_cli.scenes.raster import Scene, Window, open_scene
from dnas_cli.tiles.description import DatasetDescription, parse_description
from dnas_cli.tiles.discovery import Pair, find_description, find_pairs
from dnas_cli.tiles.inspection import choose_bands


@dataclass(frozen=True)
class LabelledFolder:
    """Images with their labels.

    Attributes:
        root: The folder.
        pairs: Images and labels, by name.
        encoding: How the labels say which class a pixel has.
        nodata: The value that means "no data", when the files do not declare it.
    """

    root: Path
    pairs: tuple[Pair, ...]
    encoding: LabelEncoding
    nodata: float | None


def open_folder(root: Path, dataset: str | None, facts: ModelFacts, model: str) -> LabelledFolder:
    """Find the images and labels of a folder.

    Args:
        root: The folder.
        dataset: A built-in dataset description or a YAML file. When missing, the folder's own
            description or layout decides, else the colours of the model's classes.
        facts: Of the model.
        model: Name of the model, for messages.

    Raises:
        DataError: There are no pairs, or their classes are not the model's.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is {'no folder' if root.exists() else 'not there'}.")
    description = _description(root, dataset, facts)
    check_classes(facts, [item.name for item in description.classes], str(root), model)
    pairs, problems = find_pairs(root, description)
    for problem in problems:
        logger.warning("%s: left out: %s", problem.name, problem.reason)
    if not pairs:
        raise DataError(
            f"{root}: no image has a label.",
            "Name them alike in images/ and labels/, or describe the folder with --dataset.",
        )
    return LabelledFolder(root, tuple(pairs), description.encoding, description.nodata)


def _description(root: Path, dataset: str | None, facts: ModelFacts) -> DatasetDescription:
    if dataset is None:
        try:
            return find_description(root, None)
        except DataError:
            if (root / "dataset.yaml").exists() or (root / "dataset.yml").exists():
                raise  # it has a description of its own, and that one is wrong
            logger.info("%s: labels are read by the colours of the model's classes", root)
            classes = {item.name: list(item.colour) for item in facts.classes}
            return parse_description(yaml.safe_dump({"classes": classes}), str(root), root.name)
    return find_description(root, dataset)


def evaluate_folder(mapper: Mapper, folder: LabelledFolder) -> tuple[ConfusionMatrix, int]:
    """Map every image whole and compare the maps with the labels.

    Returns:
        The confusion matrix over all images, and how many there were. Images that cannot be used
        are left out with a warning.

    Raises:
        DataError: No image can be used.
    """
    matrix = ConfusionMatrix(len(mapper.model.facts.classes))
    scored = 0
    for pair in folder.pairs:
        try:
            matrix.merge(_evaluate_pair(mapper, folder, pair))
            scored += 1
        except DataError as error:
            logger.warning("left out: %s", error.what)
    if scored == 0:
        raise DataError(f"{folder.root}: none of the {len(folder.pairs)} images can be used.")
    return matrix, scored


def _evaluate_pair(mapper: Mapper, folder: LabelledFolder, pair: Pair) -> ConfusionMatrix:
    matrix = ConfusionMatrix(len(mapper.model.facts.classes))
    label_path = folder.root / pair.label
    with (
        _open_image(mapper.model.facts, folder, pair) as scene,
        open_label(label_path, folder.encoding) as labels,
    ):
        if (scene.height, scene.width) != (labels.height, labels.width):
            raise DataError(
                f"{label_path}: has {labels.width} x {labels.height} pixels, but the image "
                f"{pair.image} has {scene.width} x {scene.height}."
            )
        for row, classes in _map_rows(mapper, scene, pair.key):
            window = Window(row, 0, classes.shape[0], classes.shape[1])
            truth, _ = labels.read(window)
            truth[classes == IGNORE] = IGNORE  # no data: nothing can be told about it
            matrix.add(truth, classes)
    return matrix


def _map_rows(
    mapper: Mapper, scene: Scene, name: str
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    grid = mapper.grid
    windows = rows_of_windows(scene.height, grid) * len(grid.spans(scene.width))
    with console.progress(f"evaluating {name}", windows, "window") as advance:
        for rows in stream_map(scene, mapper.reader, grid, window_done=advance):
            yield rows.row, rows.classes


def _open_image(facts: ModelFacts, folder: LabelledFolder, pair: Pair) -> Scene:
    """Open an image with the bands in the model's order."""
    path = folder.root / pair.image
    nodata = folder.nodata
    with open_scene(path) as whole:
        names, bands = choose_bands(path, whole, pair.bands, facts.bands)
        if nodata is None and not whole.has_validity:
            nodata = facts.nodata  # the file says nothing; what held in training holds here
    if len(names) != len(facts.bands):
        raise DataError(
            f"{path}: has the bands {', '.join(pair.bands)}, but the model needs "
            f"{', '.join(facts.bands)}."
        )
    scene = open_scene(path, bands, nodata)
    if scene.dtype != facts.dtype:
        scene.close()
        raise DataError(
            f"{path}: holds {scene.dtype} values, but the model was trained on {facts.dtype}."
        )
    return scene
