"""From the finished classes of a map to those that are delivered."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import UsageError
from dnas_cli.mapping.blending import FULL_SHARE
from dnas_cli.mapping.unfinished_map import UnfinishedMap
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.writers import Rows

_NAME = "unsure"
_GREYS = (128, 160, 96, 192, 64)


@dataclass(frozen=True)
class Refinement:
    """What happens to a map's classes before they are written.

    Attributes:
        unsure: Pixels of lower confidence become a class of their own.
    """

    unsure: float | None = None

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


def refine(unfinished: UnfinishedMap, refinement: Refinement, classes: int) -> Rows:
    """Return the classes that are delivered, from those that are finished.

    Args:
        unfinished: All rows are finished.
        refinement: What happens to them.
        classes: How many the model has.
    """
    indices = unfinished.finished()
    if refinement.unsure is None:
        return indices
    sure, least = unfinished.finished("confidence"), round(refinement.unsure * FULL_SHARE)

    def read(start: int, stop: int) -> npt.NDArray[np.uint8]:
        values: npt.NDArray[np.uint8] = indices.read(start, stop)
        unsure = (sure.read(start, stop) < least) & (values != IGNORE)
        return np.where(unsure, np.uint8(classes), values)

    return replace(indices, read=read)
