"""What to label next, as lines."""

from dnas_cli.evaluation.suggest_tiles import Suggestion
from dnas_cli.report.tables import lines_of, table

_SHOWN = 10  # tiles; the file has all of them


def suggestion_text(found: Suggestion) -> list[str]:
    """Return the first tiles as a table, and what their scores are made of."""
    made = table("scene", "rank", "row", "column", "entropy", "rarity", "distance", "score")
    for tile in found.tiles[:_SHOWN]:
        distance = "" if tile.distance is None else f"{tile.distance:.2f}"
        numbers = (f"{tile.entropy:.3f}", f"{tile.rarity:.2f}", distance, f"{tile.score:.2f}")
        made.add_row(tile.scene, str(tile.rank), str(tile.row), str(tile.column), *numbers)
    size, tiles = found.tile_size, len(found.tiles)
    return [
        f"{found.file}: {tiles} of {found.looked_at} tiles of {size} x {size} pixels",
        "",
        *lines_of(made),
        *(["..."] if tiles > _SHOWN else []),
        f"score: entropy / {found.mean_entropy:.3f} * sqrt(rarity); "
        "chosen: the largest score * distance",
    ]
