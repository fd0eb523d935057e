"""What making a tile set ends with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnas_cli.datasets.discovery import Problem
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.tile_set import TileSet


@dataclass(frozen=True)
class TileSetResult(TileSet):
    """A tile set that is made, or was found finished.

    Attributes:
        skipped: What was left out.
        made: Whether it was made now; false when it existed.
    """

    skipped: tuple[Problem, ...]
    made: bool

    def to_json(self) -> dict[str, Any]:
        """Return the facts on a tile set as plain data."""
        return {
            "tile_set": str(self.root),
            "made": self.made,
            "dataset": self.name,
            "bands": list(self.bands),
            "dtype": self.dtype,
            "tile_size": self.tile_size,
            "fingerprint": self.fingerprint,
            "splits": {
                split: {
                    "scenes": list(self.scenes(split)),
                    "tiles": self.count(split),
                    "class_pixels": self.class_pixels(split),
                    "unlabelled_pixels": self.unlabelled_pixels(split),
                }
                for split in SPLITS
            },
            "skipped": [{"name": item.name, "reason": item.reason} for item in self.skipped],
        }


def tile_set_result(root: Path, skipped: Sequence[Problem], made: bool) -> TileSetResult:
    """Open a tile set that was just made, or found.

    Raises:
        DataError: It is damaged.
    """
    return TileSetResult(**vars(open_tile_set(root)), skipped=tuple(skipped), made=made)
