"""How far the splits of a tile set differ from what is trained on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnas_cli.tiles.tile_set import TileSet

_LOOKED_AT = 40  # tiles, evenly spaced over a split


@dataclass(frozen=True)
class Drift:
    """How far a split is from the training split.

    Attributes:
        classes: Share of the labelled pixels that would have to change class for both splits to
            have the same shares (total variation).
        bands: Per band, its mean over some tiles less that of the training split, in standard
            deviations of the latter; None where no pixel holds data.
    """

    classes: float
    bands: tuple[float | None, ...]


def drift(tiles: TileSet, split: str) -> Drift:
    """Measure how far a split is from the training split.

    At most 40 tiles, evenly spaced, are read.

    Raises:
        DataError: The split is empty, or a tile cannot be read.
    """
    refs = tiles.split(split)
    sums, pixels = np.zeros(len(tiles.bands)), 0
    for ref in refs[:: -(-len(refs) // _LOOKED_AT)]:
        image, valid, _ = tiles.read(ref)
        sums += image[:, valid].sum(axis=1, dtype=np.float64)
        pixels += int(valid.sum())
    return Drift(
        float(np.abs(class_shares(tiles, split) - class_shares(tiles, "train")).sum() / 2),
        tuple(
            (float(total) / pixels - float(own["mean"])) / float(own["std"])
            if pixels and float(own["std"]) > 0
            else None
            for total, own in zip(sums, (tiles.statistics[b] for b in tiles.bands), strict=True)
        ),
    )


def class_shares(tiles: TileSet, split: str) -> npt.NDArray[np.float64]:
    """Return the share of each class among the labelled pixels of a split; zeros without any."""
    counts = np.array(list(tiles.class_pixels(split).values()), np.float64)
    return np.asarray(counts / max(counts.sum(), 1.0))
