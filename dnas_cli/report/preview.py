"""A look at a tile set: tiles of each split with their labels as outlines, rare classes first."""

from io import BytesIO
from pathlib import Path

from dnas_cli.files import write_bytes
from dnas_cli.report.pictures import contact_sheet, outlined
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.showcase import rare_classes_first
from dnas_cli.tiles.tile_set import TileSet

_TILES, _COLUMNS, _SIDE = 12, 4, 256


def write_previews(tiles: TileSet) -> list[Path]:
    """Write `preview-SPLIT.png` into a tile set for every split that holds tiles and has none.

    Raises:
        DataError: A tile cannot be read.
    """
    written = []
    for split in SPLITS:
        path = tiles.root / f"preview-{split}.png"
        if not tiles.count(split) or path.is_file():
            continue
        pictures = [
            (
                Path(item.ref.image).name,
                outlined(item.image, item.valid, tiles.bands, item.truth, tiles.classes),
            )
            for item in rare_classes_first(tiles, split, _TILES)
        ]
        content = BytesIO()
        sheet = contact_sheet(pictures, tiles.classes, min(_COLUMNS, len(pictures)), _SIDE)
        sheet.save(content, format="PNG")
        write_bytes(path, content.getvalue())
        written.append(path)
    return written
