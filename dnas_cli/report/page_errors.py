"""Where a model is wrong, for the page: confusion, scenes, reliability, examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from dnas_cli.evaluation.tile_scores import SceneTiles, TileScores, by_scene
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.report.chart import Series, line_chart
from dnas_cli.report.drawing import Drawing
from dnas_cli.report.page_content import SIDE, Example, PageContent
from dnas_cli.report.page_verdict import Figure
from dnas_cli.report.pictures import data_uri
from dnas_cli.report.scene_panel import look_pictures
from dnas_cli.scenes.palette import LandClass
from dnas_cli.tiles.tile_set import TileSet

_MOST_CLASSES = 30  # of a matrix that is shown whole
_MANY_CLASSES = 10  # in columns; of more, the names are turned
_MOST_CELLS = 9000  # of the table of scenes
_PHOTOGRAPHS = ("image", "confidence")
_MIXES = 40  # pairs of classes that are listed of a larger matrix


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Attributes:
        classes: The classes.
        counts: (C, C) pixels: row = label, column = map.
        unpredicted: (C,) labelled pixels without a map.
        by_row: Shares of each labelled class.
        by_column: Shares of each mapped class.
        source: The file and the place of the counts in it.
    """

    classes: Sequence[LandClass]
    counts: npt.NDArray[Any]
    unpredicted: npt.NDArray[Any]
    by_row: npt.NDArray[Any]
    by_column: npt.NDArray[Any]
    source: str

    @property
    def is_small(self) -> bool:
        """Whether the matrix is shown whole."""
        return len(self.classes) <= _MOST_CLASSES

    @property
    def is_dense(self) -> bool:
        """Whether columns of classes are narrow."""
        return len(self.classes) > _MANY_CLASSES

    @property
    def mixes(self) -> list[tuple[str, str, int, float, float, str]]:
        """The most frequent errors: label, map, pixels, shares of both, place of the pixels."""
        names = [item.name for item in self.classes]
        pairs = [
            (
                names[row],
                names[column],
                int(self.counts[row, column]),
                self.by_row[row, column],
                self.by_column[row, column],
                f"{self.source}/{row}/{column}",
            )
            for row in range(len(names))
            for column in range(len(names))
            if row != column and self.counts[row, column]
        ]
        return sorted(pairs, key=lambda pair: -pair[2])[:_MIXES]


@dataclass(frozen=True)
class SceneRow:
    """The score of a scene."""

    name: str
    mean_iou: Figure
    accuracy: Figure
    iou: tuple[Figure, ...]


@dataclass(frozen=True)
class Pictures:
    """An example as pictures: what each shows, and its address."""

    kind: str
    name: str
    accuracy: float
    pictures: tuple[tuple[str, str], ...]


def confusion(content: PageContent) -> Confusion | None:
    """Return the confusion matrix; None where nothing is evaluated."""
    evaluation = content.evaluation or content.of_scenes
    if evaluation is None:
        return None
    matrix = evaluation.matrix
    rows, columns = matrix.counts.sum(1) + matrix.unpredicted, matrix.counts.sum(0)
    suffix = "" if content.evaluation else "-scenes"
    return Confusion(
        evaluation.classes,
        matrix.counts,
        matrix.unpredicted,
        matrix.counts / rows.clip(1)[:, None],
        matrix.counts / columns.clip(1)[None],
        f"eval/{content.split}{suffix}.json#/confusion/counts",
    )


def scene_rows(content: PageContent) -> tuple[list[SceneRow], int]:
    """Return the scores of scenes, worst first, and how many more there are."""
    found: list[SceneRow] = []
    if content.of_scenes is not None:
        file = f"eval/{content.split}-scenes.json#/scenes"
        names = [item.name for item in content.of_scenes.classes]
        found = [
            _scene(scene.name, scene.matrix, names, f"{file}/{index}/metrics")
            for index, scene in enumerate(content.of_scenes.scenes)
            if scene.matrix.pixels
        ]
    elif content.scores is not None:
        found = [
            _scene(scene.name, scene.matrix, (), "")
            for scene in by_scene(content.scores.tiles)
            if scene.matrix.pixels
        ]
    found.sort(key=lambda row: row.mean_iou.value or 0.0)
    most = max(10, _MOST_CELLS // (len(found[0].iou) + 3)) if found else 0
    return found[:most], max(0, len(found) - most)


def _scene(name: str, matrix: ConfusionMatrix, names: Sequence[str], file: str) -> SceneRow:
    metrics = matrix.metrics()
    iou = metrics.iou if matrix.classes <= _MOST_CLASSES else ()

    def figure(value: float | None, place: str) -> Figure:
        return Figure(value, f"{file}/{place}" if file else "")

    keys = [item.replace("~", "~0").replace("/", "~1") for item in names] or [""] * matrix.classes
    return SceneRow(
        name,
        figure(metrics.mean_iou, "mean_iou"),
        figure(metrics.overall_accuracy, "overall_accuracy"),
        tuple(
            figure(value, f"classes/{key}/iou") for key, value in zip(keys, iou, strict=bool(iou))
        ),
    )


def reliability(scores: TileScores | None) -> Drawing | None:
    """Draw the share of right pixels by how sure the model is."""
    if scores is None:
        return None
    found = scores.reliability
    points = [
        (round(100 * float(sure / pixels)), float(right / pixels))
        for pixels, right, sure in zip(found.pixels, found.right, found.confidence, strict=True)
        if pixels
    ]
    ideal = ((0, 0.0), (100, 1.0))
    return line_chart(
        "Share of right pixels by confidence",
        [
            Series("model", tuple(points), shows_last=False),
            Series("as sure as right", ideal, shows_last=False),
        ],
        axis="confidence, %",
    )


def pictures(examples: Sequence[Example], tiles: TileSet) -> list[Pictures]:
    """Return examples as pictures."""
    return [
        Pictures(
            example.kind,
            example.score.name
            if isinstance(example.score, SceneTiles)
            else Path(example.score.ref.image).stem,
            example.score.accuracy,
            tuple(
                (name, data_uri(picture, SIDE, name in _PHOTOGRAPHS))
                for name, picture in look_pictures(example.look, tiles.classes, tiles.bands)
            ),
        )
        for example in examples
    ]
