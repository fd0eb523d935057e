"""The split of an image by area: a contiguous strip of tiles for each split, with a guard between.

Neighbouring tiles show the same fields in the same light, so the tiles between two strips are in no
split.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np

from dnas_cli.tiles.grid import offsets
from dnas_cli.tiles.lists import SPLITS, TileRef, place_of
from dnas_cli.tiles.split import split_sizes

Place = tuple[int, int]


def split_areas(
    pixels: Mapping[str, Sequence[int]],
    shapes: Mapping[str, tuple[int, int]],
    size: int,
    ratio: tuple[int, int, int],
) -> dict[str, str]:
    """Divide the tiles of every image into strips, one for each split.

    Strips run along rows or columns of tiles, in the order that puts every class into every split
    if possible and keeps the class shares closest to those of the image.

    Args:
        pixels: Labelled pixels per class, of every tile by the path of its image.
        shapes: Height and width of the images that the tiles were cut from, by name.
        size: Height and width of a tile.
        ratio: Parts of train, val and test.

    Returns:
        The split of every tile that is in one; tiles of a guard are in none.
    """
    images: dict[str, dict[Place, str]] = defaultdict(dict)
    for tile in pixels:
        place = place_of(TileRef(tile, "", ""))
        assert place is not None  # tiles are cut here
        images[place[0]][place[1:]] = tile
    result: dict[str, str] = {}
    for name in sorted(images):
        tiles = images[name]
        counts = {place: np.array(pixels[tile], np.int64) for place, tile in tiles.items()}
        split = _best(counts, shapes[name], size, ratio)
        result |= {tiles[place]: SPLITS[index] for place, index in split.items()}
    return result


def _best(
    counts: Mapping[Place, "np.ndarray[tuple[int], np.dtype[np.int64]]"],
    shape: tuple[int, int],
    size: int,
    ratio: tuple[int, int, int],
) -> dict[Place, int]:
    """Return the division of the tiles of an image that costs least."""
    total = np.maximum(sum(counts.values()), 1)
    used = [split for split in range(3) if ratio[split]]
    best: tuple[float, dict[Place, int]] | None = None
    for axis in (0, 1):
        starts = offsets(shape[axis], size)
        for order in permutations(used):
            line_of = strips(starts, size, [ratio[split] for split in order])
            split = {
                place: order[line_of[place[axis]]] for place in counts if place[axis] in line_of
            }
            cost = 0.0
            for one in used:
                own = sum(
                    (counts[place] for place in split if split[place] == one), np.zeros_like(total)
                )
                shares = own / total
                # A class that a split lacks outweighs any difference of shares.
                cost += float(np.abs(shares - ratio[one] / sum(ratio)).sum())
                cost += 1000.0 * int(((own == 0) & (total > 1)).sum())
            if best is None or cost < best[0]:
                best = cost, split
    assert best is not None
    return best[1]


def strips(starts: Sequence[int], size: int, ratio: Sequence[int]) -> dict[int, int]:
    """Return the strip of every line of tiles that is in one.

    Ten lines by 6:2:2: 0 to 4 are the first strip, 6 and 7 the second, 9 the third; 5 and 8 are
    guards. A guard is at least half a tile wide, also where the last line is shifted back.

    Args:
        starts: First pixel of every line.
        size: Pixels of a tile.
        ratio: Parts of the strips, in order; the last ones get nothing where there are too few
            lines.
    """
    parts = list(ratio)
    while len(parts) > 1 and len(starts) < 2 * len(parts) - 1:
        parts.pop()
    padded = (*parts, 0, 0)[:3]
    sizes = split_sizes(len(starts) - len(parts) + 1, (padded[0], padded[1], padded[2]))
    result: dict[int, int] = {}
    line = 0
    for strip, count in enumerate(sizes[: len(parts)]):
        while strip and result and starts[line] - starts[max(result)] - size < size / 2:
            del result[max(result)]
        result |= dict.fromkeys(range(line, line + count), strip)
        line += count + 1
    return result
