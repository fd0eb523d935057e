"""Tiles worth a look: those that show every class, rare ones first."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import IGNORE
from dnas_cli.tiles.lists import TileRef
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


def read_tile(tiles: TileSet, ref: TileRef) -> LabelledTile:
    """Read a tile.

    Raises:
        DataError: A file is missing or damaged.
    """
    return LabelledTile(ref, *tiles.read(ref))


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
    shares = np.stack([_class_pixels(tiles, ref) for ref in looked_at])  # (tiles, classes)
    return [read_tile(tiles, looked_at[index]) for index in rare_first(shares, count)]


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


def _class_pixels(tiles: TileSet, ref: TileRef) -> npt.NDArray[np.int64]:
    truth = read_tile(tiles, ref).truth
    return np.bincount(truth[truth != IGNORE], minlength=len(tiles.classes)).astype(np.int64)
