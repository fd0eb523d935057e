"""How many pixels `dnas eval` has to score."""

from dnas_cli.metrics import IGNORE
from dnas_cli.tiles.tile_set import TileSet


def labelled_pixels(tiles: TileSet, split: str) -> int:
    """Count the labelled pixels of a split, those of two tiles once."""
    return sum(int((tiles.read_once(ref)[2] != IGNORE).sum()) for ref in tiles.split(split))
