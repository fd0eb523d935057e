"""Classes, their colours, and the exact translation between colour labels and class indices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import IGNORE

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class LandClass:
    """One class of a dataset: its name and its colour (red, green, blue in 0..255)."""

    name: str
    colour: tuple[int, int, int]

    def to_json(self) -> dict[str, Any]:
        """Return the class as plain data."""
        return {"name": self.name, "colour": list(self.colour)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "LandClass":
        """Build a class from plain data; ValueError, KeyError or TypeError if it is invalid."""
        name, colour = str(value["name"]), tuple(int(channel) for channel in value["colour"])
        if not name.isprintable() or len(colour) != 3 or not all(0 <= c <= 255 for c in colour):
            raise ValueError(f"{name[:50]!r} is not a class with a colour")
        return LandClass(name, (colour[0], colour[1], colour[2]))


def palette_table(classes: tuple[LandClass, ...]) -> npt.NDArray[np.uint8]:
    """Return the (256, 3) colour table of an index image; unused and ignored indices are black."""
    table = np.zeros((256, 3), np.uint8)
    for index, land_class in enumerate(classes):
        table[index] = land_class.colour
    return table


def colours_to_indices(
    colours: npt.NDArray[np.uint8], known: Mapping[Colour, int]
) -> npt.NDArray[np.uint8]:
    """Translate a colour label to class indices by exact colour (method, section 7).

    Nearest-colour decoding is wrong on real label files, which hold off-palette noise: any other
    colour becomes `IGNORE`.

    Args:
        colours: (H, W, 3) red, green, blue.
        known: The class index of every colour that is a class's own.

    Returns:
        (H, W) class indices.
    """
    packed = _pack(colours)  # (H, W)
    indices = np.full(packed.shape, IGNORE, np.uint8)
    for colour, index in known.items():
        np.putmask(indices, packed == _pack(np.array(colour, np.uint8)), index)
    return indices


def _pack(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    # 32 bits a pixel, not 64: labels of whole scenes pass through here.
    red, green, blue = (colours[..., channel].astype(np.uint32) for channel in range(3))
    return np.asarray((red << 16) | (green << 8) | blue, np.uint32)
