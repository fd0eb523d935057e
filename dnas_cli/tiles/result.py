"""What making a tile set ends with."""

from dataclasses import dataclass
from typing import Any

from dnas_cli.datasets.discovery import Problem
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.tile_set import TileSet


@dataclass(frozen=True)
class TileSetResult:
    """A finished tile set.

    Attributes:
        tiles: The tile set.
        skipped: What was left out.
        made: Whether it was made now; false when it was there already.
    """

    tiles: TileSet
    skipped: tuple[Problem, ...]
    made: bool

    def to_json(self) -> dict[str, Any]:
        """Return the facts on a tile set as plain data."""
        tiles = self.tiles
        return {
            "tile_set": str(tiles.root),
            "made": self.made,
            "dataset": tiles.name,
            "bands": list(tiles.bands),
            "dtype": tiles.dtype,
            "tile_size": tiles.tile_size,
            "fingerprint": tiles.fingerprint,
            "splits": {
                split: {
                    "scenes": list(tiles.scenes(split)),
                    "tiles": tiles.count(split),
                    "class_pixels": tiles.class_pixels(split),
                    "unlabelled_pixels": tiles.unlabelled_pixels(split),
                }
                for split in SPLITS
            },
            "skipped": [{"name": item.name, "reason": item.reason} for item in self.skipped],
        }
