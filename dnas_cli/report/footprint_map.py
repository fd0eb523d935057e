"""Where scenes lie, as a small map of their footprints by split."""

import math
from collections.abc import Sequence

from dnas_cli.report.drawing import Box, Drawing, Text
from dnas_cli.tiles.footprints import SceneFootprint

COLOURS = {"train": "accent", "val": "third", "test": "second"}
_LONGEST, _MARGIN, _LEGEND = 420.0, 34.0, 22.0
_SMALLEST = 4.0  # pixels of a footprint's side, so that it is seen
_METRES = 111_320.0  # of a degree of latitude


def footprint_map(footprints: Sequence[SceneFootprint]) -> Drawing | None:
    """Draw footprints with north up, and a bar of their scale; None where there are none.

    Longitudes are shortened by the cosine of the middle latitude. Footprints that would be smaller
    than four pixels are drawn as large as that.
    """
    if not footprints:
        return None
    west, south = (min(item.box[k] for item in footprints) for k in (0, 1))
    east, north = (max(item.box[k] for item in footprints) for k in (2, 3))
    shrink = max(math.cos(math.radians((south + north) / 2)), 0.05)
    across, down = max((east - west) * shrink, 1e-9), max(north - south, 1e-9)
    scale = _LONGEST / max(across, down)
    width, height = across * scale + 2 * _MARGIN, down * scale + 2 * _MARGIN + _LEGEND
    drawing = Drawing(max(width, 260.0), height, "footprints of the scenes")
    for item in footprints:
        left = _MARGIN + (item.box[0] - west) * shrink * scale
        top = _MARGIN + (north - item.box[3]) * scale
        size = (
            max((item.box[2] - item.box[0]) * shrink * scale, _SMALLEST),
            max((item.box[3] - item.box[1]) * scale, _SMALLEST),
        )
        title = f"{item.scene} ({item.split})"
        drawing.add(Box((left, top), size, COLOURS[item.split], 0.65, title=title))
    digits = max(1, 2 - math.floor(math.log10(max(east - west, north - south, 1e-6))))
    corners = [f"{y:.{digits}f}° N, {x:.{digits}f}° E" for y, x in ((north, west), (south, east))]
    drawing.add(
        Text((4, 12), corners[0], 10, "muted"),
        Text((drawing.width - 4, height - _LEGEND - 4), corners[1], 10, "muted", "end"),
    )
    _scale_bar(drawing, scale / _METRES, height - _LEGEND - 8)
    x = 4.0
    for split in dict.fromkeys(item.split for item in footprints):
        drawing.add(
            Box((x, height - 15), (10, 10), COLOURS[split], 0.65),
            Text((x + 15, height - 6), split, 11),
        )
        x += 60
    return drawing


def _scale_bar(drawing: Drawing, per_metre: float, y: float) -> None:
    """Draw a bar of a round length of about 80 pixels."""
    power = 10.0 ** math.floor(math.log10(80 / per_metre))
    metres = max(step * power for step in (1, 2, 5) if step * power * per_metre <= 110)
    length = metres * per_metre
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    drawing.add(Box((4, y), (length, 2), "ink"), Text((4 + length + 6, y + 4), text, 10))
