"""A look at labels as outlines, rare classes first: of a tile set, or of scenes before the cut."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from dnas_cli.file_lock import locked
from dnas_cli.files import remove_leftovers, write_bytes
from dnas_cli.report.pictures import contact_sheet, outlined
from dnas_cli.scenes.palette import LandClass
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.showcase import LabelledTile, rare_classes_first
from dnas_cli.tiles.tile_set import TileSet

TILES = 12
_COLUMNS, _SIDE = 4, 256


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
        shown = rare_classes_first(tiles, split, TILES)
        with locked(tiles.root, wait=True):
            remove_leftovers(tiles.root, path.name)
            write_preview(path, shown, tiles.bands, tiles.classes)
        written.append(path)
    return written


def write_preview(
    path: Path,
    shown: Sequence[LabelledTile],
    bands: Sequence[str],
    classes: Sequence[LandClass],
) -> None:
    """Write tiles, or windows of scenes, with their labels as a PNG, atomically."""
    pictures = [
        (Path(item.ref.image).name, outlined(item.image, item.valid, bands, item.truth, classes))
        for item in shown
    ]
    content = BytesIO()
    sheet = contact_sheet(pictures, classes, min(_COLUMNS, len(pictures)), _SIDE)
    sheet.save(content, format="PNG")
    write_bytes(path, content.getvalue())
