"""Which tiles to label next: uncertain ones, with rare classes, unlike each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """A chosen tile.

    Attributes:
        index: Among the tiles.
        distance: To the nearest of those chosen earlier; None for the first.
    """

    index: int
    distance: float | None


def rarity_of(shares: Floats) -> Floats:
    """Return how rare the classes of each tile are; the mean over all tiles is 1.

    It is the mean over the classes of the share in the tile divided by the share in all tiles.

    Args:
        shares: (n, classes) of each class in each tile.
    """
    usual = shares.mean(0)
    known = usual > 0
    return np.asarray((shares[:, known] / usual[known]).mean(1))


def score_of(entropy: Floats, rarity: Floats) -> Floats:
    """Return (n,) `entropy / mean entropy * sqrt(rarity)`."""
    mean = float(entropy.mean()) or 1.0  # a network that is certain everywhere
    return np.asarray(entropy / mean * np.sqrt(rarity))


def choose(score: Floats, features: Floats, count: int) -> list[Chosen]:
    """Choose tiles: the largest score first, then each time the largest score times distance.

    The distance is the Euclidean one to the nearest chosen tile, in features that have mean 0 and
    deviation 1 over the tiles. Of equal tiles the first is chosen.

    Args:
        score: (n,).
        features: (n, F).
        count: Tiles to choose; all of them are chosen where there are fewer.
    """
    spread = (features - features.mean(0)) / (features.std(0) + 1e-6)
    nearest = np.full(len(score), np.inf)
    left = np.ones(len(score), np.bool_)
    chosen: list[Chosen] = []
    while len(chosen) < min(count, len(score)):
        value = score * nearest if chosen else score
        index = int(np.where(left, value, -1.0).argmax())
        chosen.append(Chosen(index, float(nearest[index]) if chosen else None))
        left[index] = False
        distance = np.sqrt(((spread - spread[index]) ** 2).sum(1))
        nearest = np.minimum(nearest, distance)
    return chosen
