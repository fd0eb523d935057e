"""How many pixels `dnas eval` has to score."""

from dnas_cli.metrics import IGNORE
from dnas_cli.tiles.tile_set import TileSet


def labelled_pixels(tiles: TileSet, split: str) -> int:
    """Count the labelled pixels in the tiles of a split, those of two tiles twice."""
    return sum(int((tiles.read(ref)[2] != IGNORE).sum()) for ref in tiles.split(split))
