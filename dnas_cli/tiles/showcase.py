"""Tiles worth a look: those that show every class, rare ones first."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.measurements import class_counts
from dnas_cli.tiles.tile_set import TileSet

_LOOKED_AT = 60  # tiles, evenly spaced over a split


@dataclass(frozen=True)
class LabelledTile:
    """A tile and its label.

    Attributes:
        image: (B, H, W) band values.
        valid: (H, W) pixels that hold data.
        truth: (H, W) class indices, 255 where there is no label.
    """

    ref: TileRef
    image: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    truth: npt.NDArray[np.uint8]


def rare_classes_first(tiles: TileSet, split: str, count: int) -> list[LabelledTile]:
    """Return tiles of a split: for each class, rarest first, the tile with the most of it.

    At most 60 tiles, evenly spaced, are looked at.

    Args:
        split: "train", "val" or "test".
        count: How many tiles at most.

    Raises:
        DataError: The split is empty, or a tile cannot be read.
    """
    refs = tiles.split(split)
    looked_at = refs[:: -(-len(refs) // _LOOKED_AT)]
    classes = len(tiles.classes)
    shares = np.stack([class_counts(tiles.read_label(ref), classes)[:-1] for ref in looked_at])
    chosen = [looked_at[index] for index in rare_first(shares, count)]
    return [LabelledTile(ref, *tiles.read(ref)) for ref in chosen]


def rare_first(pixels: npt.NDArray[np.int64], count: int) -> list[int]:
    """Return which tiles to show: for each class, rarest first, the tile with the most of it.

    Args:
        pixels: (tiles, classes) pixels of each class.
        count: How many at most.
    """
    order = np.argsort(pixels.sum(0), kind="stable")
    chosen: list[int] = []
    while len(chosen) < min(count, len(pixels)):
        for index in order:
            ranked = [int(i) for i in np.argsort(-pixels[:, index], kind="stable")]
            best = next(i for i in ranked if i not in chosen)
            if pixels[best, index] or not pixels[[i for i in ranked if i not in chosen]].any():
                chosen.append(best)
            if len(chosen) == min(count, len(pixels)):
                break
    return chosen
