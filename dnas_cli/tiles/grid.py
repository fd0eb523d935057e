"""Where the tiles of an image lie."""

from dnas_cli.scenes.raster import Window


def offsets(length: int, size: int) -> tuple[int, ...]:
    """Return the starts of tiles along one side; the last one is shifted back to end at the border.

    A side of 6800 and tiles of 512: 0, 512, ..., 6144, then 6288 = 6800 - 512; 14 tiles.
    A side shorter than a tile has one tile at 0, which extends beyond the border.
    """
    count = max(1, -(-length // size))
    return tuple(max(0, min(index * size, length - size)) for index in range(count))


def tile_rows(height: int, width: int, size: int) -> tuple[tuple[Window, ...], ...]:
    """Return the tiles of an image, row by row (method, section 7).

    If the image is smaller than a tile, the tile extends beyond its border; see `inside`.
    """
    return tuple(
        tuple(Window(row, column, size, size) for column in offsets(width, size))
        for row in offsets(height, size)
    )


def inside(window: Window, height: int, width: int) -> Window:
    """Return the part of a window that lies within an image."""
    return Window(
        window.row,
        window.column,
        min(window.height, height - window.row),
        min(window.width, width - window.column),
    )
