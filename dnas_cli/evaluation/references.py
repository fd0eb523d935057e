"""Plain references that a network has to beat: the majority class, and a per-pixel classifier.

Both learn from the training split and see no texture, shape or neighbourhood.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.bootstrap import Intervals, score_intervals
from dnas_cli.errors import DataError
from dnas_cli.evaluation.tiles import read_ahead
from dnas_cli.evaluation.units import drawn_units
from dnas_cli.metrics import IGNORE, ConfusionMatrix, merged
from dnas_cli.tiles.tile_set import TileSet

Values = npt.NDArray[np.float32 | np.float64]  # (pixels, bands)
Indices = npt.NDArray[np.uint8]  # (pixels,)

_SAMPLE_PIXELS = 100_000
_SAMPLE_TILES = 400


@dataclass(frozen=True)
class Reference:
    """The score of a reference on a split.

    Attributes:
        name: `majority class` or `per pixel`.
        detail: The class or the classifier.
        matrix: Its confusion matrix on the split.
        selection_iou: Its mIoU on a sample of the validation split, which selects the best
            per-pixel classifier; None for the majority class.
        intervals: Of its scores; None with one unit, or of an older version.
    """

    name: str
    detail: str
    matrix: ConfusionMatrix
    selection_iou: float | None = None
    intervals: Intervals | None = None


def evaluate_references(
    tiles: TileSet, split: str, seed: int = 0, advance: Callable[[int], None] = lambda count: None
) -> tuple[Reference, ...]:
    """Score the majority class of the training split and the best per-pixel classifier.

    The classifiers (Gaussian naive Bayes, gradient-boosted trees) learn from a sample of labelled
    training pixels; the one with the higher mIoU on a sample of the validation split is scored on
    every pixel of `split`.

    Args:
        split: "train", "val" or "test".
        seed: Chooses the sample.
        advance: Called with 1 after each scored tile.

    Raises:
        DataError: A split is empty or has no labelled pixel.
    """
    values, labels = sample_pixels(tiles, "train", seed)
    if len(labels) == 0:
        raise DataError(f"{tiles.root}: the training split has no labelled pixel to learn from.")
    counts = tiles.class_pixels("train")
    majority = max(range(len(tiles.classes)), key=lambda index: counts[tiles.classes[index].name])
    name, classifier, selection_iou = _best_classifier(tiles, values, labels, seed)
    by_colour = ByColour(classifier)
    units = drawn_units(tiles, split)
    always, by_pixel = ({unit: ConfusionMatrix(len(tiles.classes)) for unit in units} for _ in "12")
    for unit, (image, _, truth) in zip(units, read_ahead(tiles, tiles.split(split)), strict=True):
        scored = truth != IGNORE
        if scored.any():
            always[unit].add(truth, np.full_like(truth, majority))
            by_pixel[unit].add(truth[scored], by_colour.predict(image, scored))
        advance(1)
    return (
        _reference("majority class", tiles.classes[majority].name, [*always.values()]),
        _reference("per pixel", name, [*by_pixel.values()], selection_iou),
    )


class ByColour:
    """A per-pixel classifier that is asked once for each colour of three bytes.

    Scenes repeat their colours, and trees take a microsecond for each of their classes.
    """

    def __init__(self, classifier: Any) -> None:
        self._classifier = classifier
        self._known = np.full(1 << 24, IGNORE, np.uint8)

    def predict(self, image: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> Indices:
        """Return the classes of some pixels of a (B, H, W) image."""
        if image.dtype != np.uint8 or len(image) != 3:
            found: Indices = self._classifier.predict(_values(image, where))
            return found
        red, green, blue = image[:, where].astype(np.int32)
        colours = red << 16 | green << 8 | blue
        new = np.unique(colours[self._known[colours] == IGNORE])
        if len(new):
            bands = np.stack([new >> 16, new >> 8 & 255, new & 255], 1)
            self._known[new] = self._classifier.predict(bands.astype(np.float32))
        known: Indices = self._known[colours]
        return known


def _reference(
    name: str, detail: str, units: Sequence[ConfusionMatrix], selection_iou: float | None = None
) -> Reference:
    return Reference(name, detail, merged(units), selection_iou, score_intervals(units))


def sample_pixels(tiles: TileSet, split: str, seed: int) -> tuple[Values, Indices]:
    """Draw about 100,000 labelled pixels of a split, from all tiles or 400 of them."""
    generator = np.random.default_rng(seed)
    refs = tiles.split(split)
    chosen = generator.permutation(len(refs))[:_SAMPLE_TILES]
    per_tile = -(-_SAMPLE_PIXELS // len(chosen))
    values, labels = [], []
    for image, _, truth in read_ahead(tiles, [refs[index] for index in sorted(chosen)]):
        positions = np.flatnonzero(truth != IGNORE)
        drawn = generator.permutation(positions)[:per_tile]
        picked = np.zeros(truth.shape, np.bool_)
        picked.ravel()[drawn] = True
        values.append(_values(image, picked))
        labels.append(truth[picked])
    return np.concatenate(values), np.concatenate(labels)


def _values(image: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> Values:
    """Return the band values of some pixels of a (B, H, W) image as (pixels, B)."""
    return image[:, where].T.astype(np.result_type(image.dtype, np.float32))


def _best_classifier(
    tiles: TileSet, values: Values, labels: Indices, seed: int
) -> tuple[str, Any, float | None]:
    """Fit the classifiers and return the best one with its name and mIoU on the sample."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.naive_bayes import GaussianNB

    bayes = GaussianNB().fit(values, labels)
    if len(np.unique(labels)) == 1:
        return "Gaussian naive Bayes", bayes, None  # trees cannot learn a single class
    trees = HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=seed)
    candidates = {
        "Gaussian naive Bayes": bayes,
        "gradient-boosted trees": trees.fit(values, labels),
    }
    held_out, truth = sample_pixels(tiles, "val", seed)
    if len(truth) == 0:
        return "gradient-boosted trees", trees, None
    scores: dict[str, float] = {}
    for name, classifier in candidates.items():
        matrix = ConfusionMatrix(len(tiles.classes))
        matrix.add(truth, classifier.predict(held_out))
        scores[name] = matrix.metrics().mean_iou
    best = max(scores, key=lambda name: scores[name])
    return best, candidates[best], scores[best]
