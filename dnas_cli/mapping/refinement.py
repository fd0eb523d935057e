"""From the finished classes of a map to those that are delivered."""

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError, UsageError
from dnas_cli.mapping.blending import FULL_SHARE
from dnas_cli.mapping.unfinished_map import UnfinishedMap
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.ground import pixel_ground
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.sieve import sieve

_NAME = "unsure"
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(m2|px)")
_NEARLY = 0.01  # pixels: those of 10 m in UTM have 99.9 to 100.1 square metres
_GREYS = (128, 160, 96, 192, 64)


@dataclass(frozen=True)
class Refinement:
    """What happens to a map's classes before they are written.

    Attributes:
        unsure: Pixels of lower confidence become a class of their own.
        sieve: Smaller patches join their largest neighbour: `1000m2` or `20px`.
    """

    unsure: float | None = None
    sieve: str | None = None

    def __post_init__(self) -> None:
        if self.sieve is not None and not _SIZE.fullmatch(self.sieve):
            raise UsageError(
                f"sieve={self.sieve}: is no size of patches.", "Write 1000m2, or 20px."
            )

    def smallest_patch(self, scene: str, place: Georeference, height: int, width: int) -> int:
        """Return the pixels of the smallest patch that stays.

        Square metres become pixels in the middle of the map.

        Raises:
            DataError: The map has no place on the ground for square metres.
        """
        if self.sieve is None:
            return 1
        found = _SIZE.fullmatch(self.sieve)
        assert found is not None
        size = float(found[1])
        if found[2] == "px":
            return math.ceil(size)
        middle = pixel_ground(place, np.array([height / 2]), np.array([width / 2]))
        if middle is None or not 0 < middle.area[0] < math.inf:
            raise DataError(
                f"sieve={self.sieve}: {scene} has no place on the ground.",
                "Give the size in pixels: sieve=20px",
            )
        return math.ceil(size / float(middle.area[0]) - _NEARLY)

    def classes(self, known: tuple[LandClass, ...]) -> tuple[LandClass, ...]:
        """Return the classes of the map, from those of the model.

        Raises:
            UsageError: The model has a class of that name.
        """
        if self.unsure is None:
            return known
        if _NAME in (item.name for item in known):
            raise UsageError(f"unsure={self.unsure:g}: the model has a class {_NAME!r} already.")
        greys = ((grey, grey, grey) for grey in _GREYS)
        colour = next(grey for grey in greys if grey not in {item.colour for item in known})
        return (*known, LandClass(_NAME, colour))


def refine(unfinished: UnfinishedMap, refinement: Refinement, classes: int, smallest: int) -> Rows:
    """Return the classes that are delivered, from those that are finished.

    Args:
        unfinished: All rows are finished; its folder takes what is written on the way.
        refinement: What happens to them.
        classes: How many the model has.
        smallest: As `smallest_patch` returns it.
    """
    indices = unfinished.finished()
    if refinement.unsure is not None:
        indices = _with_unsure(unfinished, indices, refinement.unsure, classes)
    return indices if smallest <= 1 else sieve(indices, smallest, unfinished.folder)


def _with_unsure(unfinished: UnfinishedMap, indices: Rows, limit: float, index: int) -> Rows:
    sure, least = unfinished.finished("confidence"), round(limit * FULL_SHARE)

    def read(start: int, stop: int) -> npt.NDArray[np.uint8]:
        values: npt.NDArray[np.uint8] = indices.read(start, stop)
        unsure = (sure.read(start, stop) < least) & (values != IGNORE)
        return np.where(unsure, np.uint8(index), values)

    return replace(indices, read=read)
