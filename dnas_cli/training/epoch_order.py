"""Which tiles an epoch shows: each once, or some exchanged for tiles that show rare classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import IGNORE
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.tile_set import TileSet


@dataclass(frozen=True)
class RareTiles:
    """How tiles that show rare classes come in more often.

    Attributes:
        share: Of the places in an epoch that go to them.
        shares: (tiles, classes), of the pixels of each class that occurs, how many a tile holds.
    """

    share: float
    shares: npt.NDArray[np.float64]


def rare_tiles(tiles: TileSet, refs: Sequence[TileRef], share: float) -> RareTiles:
    """Count the classes of tiles, to draw them by it.

    Raises:
        DataError: A tile cannot be read.
    """
    counts = [np.bincount(tiles.read(ref)[2].ravel(), minlength=IGNORE + 1) for ref in refs]
    pixels = np.array(counts)[:, : len(tiles.classes)]
    present = pixels[:, pixels.any(0)]
    return RareTiles(share, present / present.sum(0))


def epoch_order(
    count: int, seed: int, epoch: int, rare: RareTiles | None = None
) -> npt.NDArray[np.intp]:
    """Return the tiles of an epoch in order, as a function of seed and epoch.

    Every tile comes once. With `rare`, some places at random go to other tiles: a class is drawn,
    each as likely as the others, then a tile by its share of that class.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    if rare is None or not rare.shares.size:
        return order
    draw = np.random.default_rng([seed, epoch, 1])
    ends = np.cumsum(rare.shares, 0)
    for place in np.flatnonzero(draw.random(count) < rare.share):
        column = ends[:, draw.integers(ends.shape[1])]
        order[place] = min(int(np.searchsorted(column, draw.random(), "right")), count - 1)
    return order
