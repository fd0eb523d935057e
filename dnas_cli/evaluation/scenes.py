"""Scoring a model on whole scenes, mapped as `predict` does: every labelled pixel once."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from dnas_cli import console
from dnas_cli.console import logger
from dnas_cli.datasets.discovery import LabelledScenes, Pair
from dnas_cli.errors import DataError
from dnas_cli.evaluation.scene_maps import SceneMaps
from dnas_cli.mapping.label_comparison import add_rows, look_through
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.memory import GDAL_CACHE
from dnas_cli.mapping.open_scene import SceneReading, open_scene
from dnas_cli.mapping.stream import rows_of_windows, stream_map
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.raster import Raster, block_cache


@dataclass(frozen=True)
class SceneScore:
    """The score of a model on one scene.

    Attributes:
        name: Of the scene; unique.
        image: Path of the image, relative to the folder of scenes.
        label: Path of the label, likewise.
        width: Pixels per row.
        matrix: The confusion matrix; empty if no pixel with data has a label.
    """

    name: str
    image: str
    label: str
    width: int
    height: int
    matrix: ConfusionMatrix

    def to_json(self, class_names: list[str]) -> dict[str, Any]:
        """Return the score as plain data."""
        metrics = self.matrix.metrics().to_json(class_names) if self.matrix.pixels else None
        return {
            "name": self.name,
            "image": self.image,
            "label": self.label,
            "width": self.width,
            "height": self.height,
            "metrics": metrics,
            "confusion": self.matrix.to_json(),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "SceneScore":
        """Build a score from plain data; KeyError, TypeError or ValueError if it is invalid."""
        return SceneScore(
            str(value["name"]),
            str(value["image"]),
            str(value["label"]),
            int(value["width"]),
            int(value["height"]),
            ConfusionMatrix.from_json(value["confusion"]),
        )


def evaluate_scenes(
    mapper: Mapper, scenes: LabelledScenes, strict: bool, maps: SceneMaps | None = None
) -> tuple[ConfusionMatrix, tuple[SceneScore, ...]]:
    """Map every scene and compare the maps with the labels, a few rows at a time.

    Args:
        strict: An unusable scene is an error; otherwise it is left out with a warning.
        maps: Gets the map of every scene.

    Returns:
        The confusion matrix over all scenes, and each scene's.

    Raises:
        DataError: With `strict`, a scene cannot be used.
    """
    total = ConfusionMatrix(len(mapper.model.facts.classes))
    scores = []
    for number, pair in enumerate(scenes.pairs, 1):
        title = f"scene {number} of {len(scenes.pairs)}, {pair.key}"
        try:
            with block_cache(GDAL_CACHE):
                score = _score(mapper, scenes, pair, title, maps)
        except DataError as error:
            if strict:
                raise
            logger.warning("left out: %s", error.what)
            continue
        total.merge(score.matrix)
        scores.append(score)
    return total, tuple(scores)


def _score(
    mapper: Mapper, scenes: LabelledScenes, pair: Pair, title: str, maps: SceneMaps | None
) -> SceneScore:
    matrix = ConfusionMatrix(len(mapper.model.facts.classes))
    with (
        _open(mapper.model.facts, scenes, pair) as scene,
        pair.label_files(scenes.root, scenes.encoding, scenes.as_is).open_over(scene) as labels,
    ):
        look_through(labels, scenes.max_unknown)
        grid = mapper.grid
        windows = rows_of_windows(scene.height, grid) * len(grid.spans(scene.width))
        predictor = mapper.predictor_of(scene)
        with (
            console.progress(title, windows, "window") as advance,
            nullcontext() if maps is None else maps.scene(pair.key, scene) as kept,
        ):
            for rows in stream_map(scene, predictor, grid, window_done=advance):
                truth = add_rows(matrix, labels, rows.row, rows.classes)
                if kept is not None:
                    kept.add(rows.row, truth, rows.classes, rows.confidence)
        return SceneScore(pair.key, pair.image, pair.label, scene.width, scene.height, matrix)


def _open(facts: ModelFacts, scenes: LabelledScenes, pair: Pair) -> Raster:
    """Open an image as `predict` does, with the dataset's names of bands."""
    path = pair.scene_files(scenes.root)
    reading = SceneReading(
        nodata=scenes.nodata,
        described=(pair.bands, scenes.bands),
        resample=scenes.resample,
    )
    scene = open_scene(facts, path, reading, lambda text: logger.warning("%s: %s", path, text))
    if scene.dtype != facts.dtype:
        scene.close()
        raise DataError(
            f"{path}: holds {scene.dtype} values, but the model was trained on {facts.dtype}."
        )
    return scene
