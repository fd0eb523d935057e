"""A model on the tiles of a split, one by one: which are best and worst, how sure it is, seams."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from dnas_cli.evaluation.tiles import normalised_batches
from dnas_cli.metrics import IGNORE, ConfusionMatrix, merged
from dnas_cli.model.model_file import Model
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.tile_set import TileSet

BINS = 10
_RIM = 16  # pixels from a tile's border that count as its rim; of small tiles a quarter


@dataclass(frozen=True)
class TileScore:
    """How a model does on one tile.

    Attributes:
        matrix: Its confusion matrix; of no pixel where nothing is labelled.
    """

    ref: TileRef
    matrix: ConfusionMatrix

    @property
    def accuracy(self) -> float:
        """Share of the labelled pixels that are right."""
        return float(np.trace(self.matrix.counts)) / max(self.matrix.pixels, 1)


@dataclass(frozen=True)
class SceneTiles:
    """How a model does on the tiles of one scene."""

    name: str
    tiles: tuple[TileScore, ...]

    @cached_property
    def matrix(self) -> ConfusionMatrix:
        """The confusion matrix over all of them."""
        return merged(tile.matrix for tile in self.tiles)

    @property
    def accuracy(self) -> float:
        """Share of the labelled pixels that are right."""
        return float(np.trace(self.matrix.counts)) / max(self.matrix.pixels, 1)


Scored = TypeVar("Scored", TileScore, SceneTiles)


@dataclass(frozen=True)
class Reliability:
    """How often the model is right where it is so sure.

    Attributes:
        pixels: (BINS,) labelled pixels by the probability of the predicted class, from 0 to 1.
        right: (BINS,) how many of them are right.
        confidence: (BINS,) sum of the probabilities.
    """

    pixels: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of confidence from accuracy."""
        distance = np.abs(self.confidence - self.right).sum()
        return float(distance / max(int(self.pixels.sum()), 1))


@dataclass(frozen=True)
class TileScores:
    """A model on a split.

    Attributes:
        tiles: Every tile, in the order of the list.
        reliability: Over all labelled pixels.
        rim: Pixels from a tile's border, where a seam of a map would be.
        rim_accuracy: Share of right pixels within them; None where nothing is labelled there.
        inner_accuracy: The same farther inside.
    """

    tiles: tuple[TileScore, ...]
    reliability: Reliability
    rim: int
    rim_accuracy: float | None
    inner_accuracy: float | None


def score_tiles(
    model: Model,
    tiles: TileSet,
    split: str,
    device: torch.device,
    bands: tuple[int, ...],
    advance: Callable[[int], None] = lambda count: None,
) -> TileScores:
    """Score every tile of a split by itself.

    Args:
        split: "train", "val" or "test".
        bands: Positions of the model's bands among the tile set's.
        advance: Called with the number of tiles after each batch.

    Raises:
        DataError: The split is empty, or a tile cannot be read.
    """
    refs, found = tiles.split(split), []
    pixels, right = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    confidence = np.zeros(BINS)
    rim, inner = np.zeros(2, np.int64), np.zeros(2, np.int64)  # right, labelled
    order, width = iter(refs), min(_RIM, tiles.tile_size // 4)
    for labels, classes, certainty in _predictions(model, tiles, refs, device, bands):
        for label, predicted, sure in zip(labels, classes, certainty, strict=True):
            matrix = ConfusionMatrix(len(tiles.classes))
            matrix.add(label, predicted)
            found.append(TileScore(next(order), matrix))
            scored, hit = label != IGNORE, label == predicted
            bins = np.minimum((sure[scored] * BINS).astype(np.int64), BINS - 1)
            pixels += np.bincount(bins, minlength=BINS)
            right += np.bincount(bins, hit[scored], BINS).astype(np.int64)
            confidence += np.bincount(bins, sure[scored], BINS)
            border = _border(label.shape, width)
            rim += (int((hit & scored & border).sum()), int((scored & border).sum()))
            inner += (int((hit & scored & ~border).sum()), int((scored & ~border).sum()))
        advance(len(labels))
    certain = Reliability(pixels, right, confidence)
    return TileScores(tuple(found), certain, width, _share(rim), _share(inner))


@dataclass(frozen=True)
class Look:
    """A tile or a scene beside what a model makes of it.

    Attributes:
        image: (B, H, W) band values.
        valid: (H, W) pixels that hold data.
        truth: (H, W) class indices, 255 where there is no label.
        predicted: (H, W) class indices, 255 where there is no map.
        confidence: (H, W) probability of the predicted class, 0 to 1.
    """

    image: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    truth: npt.NDArray[np.uint8]
    predicted: npt.NDArray[np.uint8]
    confidence: npt.NDArray[np.float32]


def look_at_tiles(
    model: Model,
    tiles: TileSet,
    refs: Sequence[TileRef],
    device: torch.device,
    bands: tuple[int, ...],
) -> Iterator[Look]:
    """Yield tiles beside what the model makes of them, in order; labels are those that count."""
    predictions = _predictions(model, tiles, refs, device, bands, 1)
    for ref, (labels, classes, certainty) in zip(refs, predictions, strict=True):
        image, valid, _ = tiles.read(ref)
        yield Look(image, valid, labels[0], classes[0], certainty[0])


def by_scene(scores: Sequence[TileScore]) -> list[SceneTiles]:
    """Return the scenes that tiles are of, by name."""
    groups: dict[str, list[TileScore]] = {}
    for score in scores:
        groups.setdefault(score.ref.scene, []).append(score)
    return [SceneTiles(name, tuple(groups[name])) for name in sorted(groups)]


def best_median_worst(
    scores: Sequence[Scored], count: int, fewest: float = 0.25
) -> dict[str, list[Scored]]:
    """Return the tiles or scenes of highest, middle and lowest accuracy, `count` of each at most.

    None is in it twice. Those with few labelled pixels of their own are left out: with less than
    the share `fewest` of what another has.
    """
    needed = fewest * max((score.matrix.pixels for score in scores), default=0)
    ranked = sorted(
        (score for score in scores if score.matrix.pixels > needed),
        key=lambda score: -score.accuracy,
    )
    best = ranked[:count]
    worst = ranked[max(len(ranked) - count, len(best)) :][::-1]
    rest = ranked[len(best) : len(ranked) - len(worst)]
    start = max((len(rest) - count) // 2, 0)
    return {"best": best, "median": rest[start : start + count], "worst": worst}


def _predictions(
    model: Model,
    tiles: TileSet,
    refs: Sequence[TileRef],
    device: torch.device,
    bands: tuple[int, ...],
    batch: int = 4,
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.float32]]]:
    """Yield labels, classes and the classes' probabilities, (N, H, W) each, batch by batch."""
    network = fold(model.network).to(device).eval()
    for images, labels in normalised_batches(tiles, refs, model.facts.normalisation, bands, batch):
        with torch.inference_mode():
            certainty, classes = network(images.to(device)).softmax(1).max(1)
        yield labels, classes.to(torch.uint8).cpu().numpy(), certainty.cpu().numpy()


def _border(shape: tuple[int, ...], width: int) -> npt.NDArray[np.bool_]:
    border = np.ones(shape, np.bool_)
    border[width : shape[0] - width, width : shape[1] - width] = False
    return border


def _share(counts: npt.NDArray[np.int64]) -> float | None:
    return float(counts[0] / counts[1]) if counts[1] else None
