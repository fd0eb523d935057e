"""What intervals of scores are drawn from: scenes, or the tiles of the one scene."""

from dnas_cli.tiles.tile_set import TileSet

_MOST_COUNTS = 5_000_000  # in the matrices of all tiles; 200,000 tiles of five classes


def drawn_units(tiles: TileSet, split: str) -> list[str]:
    """Return the unit of each tile of a split, in order: its scene.

    It is the tile itself where the split has one scene, unless a matrix per tile would take too
    much memory.

    Args:
        split: "train", "val" or "test".

    Raises:
        DataError: The split is empty.
    """
    refs = tiles.split(split)
    one_scene = len(tiles.scenes(split)) == 1
    if one_scene and len(refs) * len(tiles.classes) ** 2 <= _MOST_COUNTS:
        return [ref.image for ref in refs]
    return [ref.scene for ref in refs]
