"""What a tile set holds, as a table a person reads."""

from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.result import TileSetResult
from dnas_cli.tiles.tile_set import TileSet


def summary_text(result: TileSetResult) -> str:
    """Return the facts of a tile set with a table of class shares per split.

    Shares of classes are of the labelled pixels; the last column is the share of unlabelled pixels.
    """
    tiles = result.tiles
    names = [land_class.name for land_class in tiles.classes]
    rows = [["split", "scenes", "tiles", *names, "unlabelled"]]
    rows += [_row(tiles, split) for split in SPLITS]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    lines = [
        f"{tiles.root}: {tiles.name}, {tiles.tile_size} px, {tiles.dtype}, "
        f"bands {' '.join(tiles.bands)}",
        table,
        *(f"note: {line}" for line in _missing_classes(tiles)),
    ]
    if result.skipped:
        lines.append(f"skipped: {len(result.skipped)} (named in dataset.json)")
    return "\n".join(lines)


def _row(tiles: TileSet, split: str) -> list[str]:
    pixels = tiles.class_pixels(split)
    labelled = sum(pixels.values())
    unlabelled = tiles.unlabelled_pixels(split)
    return [
        split,
        str(len(tiles.scenes(split))),
        str(tiles.count(split)),
        *(_share(count, labelled) for count in pixels.values()),
        _share(unlabelled, labelled + unlabelled),
    ]


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
