"""A tile set as text for the terminal: what each split holds."""

from collections.abc import Sequence

from rich.table import Table

from dnas_cli.report.tables import lines_of, table
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.result import TileSetResult
from dnas_cli.tiles.tile_set import TileSet

_NAMED = 12  # scenes of a split that are listed


def tile_set_table(tiles: TileSet) -> Table:
    """Return a column per split, with its scenes and tiles, and a row per class.

    Shares of classes are of the labelled pixels; the last row is the share of unlabelled pixels.
    """
    heads = (
        (split, f"{len(tiles.scenes(split))} scenes", f"{tiles.count(split)} tiles")
        for split in SPLITS
    )
    made = table("class", *heads)
    pixels = [tiles.class_pixels(split) for split in SPLITS]
    labelled = [sum(counts.values()) for counts in pixels]
    for land_class in tiles.classes:
        made.add_row(
            land_class.name, *_shares([item[land_class.name] for item in pixels], labelled)
        )
    rest = [tiles.unlabelled_pixels(split) for split in SPLITS]
    whole = [sum(pair) for pair in zip(labelled, rest, strict=True)]
    made.add_row("unlabelled", *_shares(rest, whole))
    return made


def result_text(result: TileSetResult) -> list[str]:
    """Return what making a tile set came to."""
    tiles = result
    lines = [
        f"{tiles.root}: {tiles.name}, {tiles.tile_size} px, {tiles.dtype}, "
        f"bands {' '.join(tiles.bands)}",
        "",
        *lines_of(tile_set_table(tiles)),
        *_scenes_of_splits(tiles),
        *(f"note: {line}" for line in _missing_classes(tiles)),
    ]
    if result.skipped:
        lines.append(f"skipped: {len(result.skipped)} (named in dataset.json)")
    return lines


def _scenes_of_splits(tiles: TileSet) -> list[str]:
    """List the scenes of every split, the first of them by name."""
    lines = []
    for split in SPLITS:
        scenes = tiles.scenes(split) if tiles.count(split) else ()
        more = ", ..." if len(scenes) > _NAMED else ""
        if scenes:
            lines.append(f"{split}: {', '.join(scenes[:_NAMED])}{more}")
    return lines


def _shares(parts: Sequence[int], wholes: Sequence[int]) -> list[str]:
    return [_share(part, whole) for part, whole in zip(parts, wholes, strict=True)]


def _share(part: int, whole: int) -> str:
    if not part or not whole:
        return "-"
    return f"{part / whole:.1%}" if part / whole >= 0.0005 else "<0.1%"


def _missing_classes(tiles: TileSet) -> list[str]:
    """List classes of the data that a split lacks."""
    lines = []
    splits = [split for split in SPLITS if tiles.count(split)]
    for land_class in tiles.classes:
        lacking = [split for split in splits if not tiles.class_pixels(split)[land_class.name]]
        if lacking:
            lines.append(f"{land_class.name} is not in {' and '.join(lacking)}")
    return lines
