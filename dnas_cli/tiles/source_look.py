"""A look at scenes and their labels before anything is cut."""

from pathlib import Path

import numpy as np

from dnas_cli.console import logger, progress
from dnas_cli.datasets.description import DatasetDescription
from dnas_cli.datasets.discovery import Problem, find_pairs
from dnas_cli.datasets.inspection import ImageFacts, Inspection, inspect
from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.label_survey import settled_encoding
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.tiles.grid import inside, tile_rows
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.measurements import class_counts
from dnas_cli.tiles.showcase import LabelledTile, rare_first

_IMAGES, _WINDOWS = 24, 4  # looked at, evenly spaced: images, and windows of each


def look_at_source(
    source: Path, description: DatasetDescription, size: int, count: int, as_is: bool
) -> tuple[list[LabelledTile], tuple[str, ...]]:
    """Read some windows of scenes with their labels, as they would be cut.

    At most 24 images are looked at, and of each four windows, evenly spaced.

    Args:
        source: Folder of scenes and labels.
        description: Where they are, and how labels are written.
        size: Height and width of a window.
        count: Windows that are returned, at most.
        as_is: Labels lie on their images pixel by pixel, wherever they say they lie.

    Returns:
        The windows, rare classes first, each named by its image, row and column; their bands.

    Raises:
        DataError: No image can be used.
    """
    pairs, problems = find_pairs(source, description)
    chosen = pairs[:: max(1, -(-len(pairs) // _IMAGES))]
    labels = [source / name for pair in chosen for name in (pair.label, *pair.more_labels)]
    encoding = settled_encoding(description.encoding, labels)
    found: list[LabelledTile] = []
    bands: tuple[str, ...] = ()
    with progress("looking at scenes", len(chosen), "image") as advance:
        for pair in chosen:
            facts = inspect(Inspection(source, pair, description, as_is))
            if isinstance(facts, Problem):
                problems.append(facts)
            elif bands in ((), facts.bands):
                bands = facts.bands
                files = pair.label_files(source, encoding, as_is)
                with (
                    open_raster(
                        source / pair.image, facts.band_numbers, description.nodata
                    ) as scene,
                    files.open_over(scene) as label,
                ):
                    for window in _spaced(facts, size):
                        image, valid = scene.read_with_validity(window)
                        truth, _ = label.read(window)
                        truth[~valid] = IGNORE
                        name = f"{pair.key} {window.row} {window.column}"
                        ref = TileRef(name, pair.label, pair.scene)
                        found.append(LabelledTile(ref, image, valid, truth))
            advance(1)
    for problem in problems:
        logger.warning("%s: cannot be used: %s", problem.name, problem.reason)
    if not found:
        raise DataError(f"{source}: no image can be used.")
    classes = len(description.encoding.classes)
    counts = np.stack([class_counts(tile.truth, classes)[:-1] for tile in found])
    return [found[k] for k in rare_first(counts, count)], bands


def _spaced(facts: ImageFacts, size: int) -> list[Window]:
    windows = [
        inside(window, facts.height, facts.width)
        for line in tile_rows(facts.height, facts.width, size)
        for window in line
    ]
    return windows[:: max(1, -(-len(windows) // _WINDOWS))]
