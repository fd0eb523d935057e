"""The values that a map is written in: class indices, or those of the labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import UsageError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.label_encoding import LabelEncoding

INDICES, LABELS = "class indices", "label values"


@dataclass(frozen=True)
class MapValues:
    """What is written for each class, and where there is none.

    Attributes:
        of_class: The value of every class.
        nodata: The value of pixels without data.
        kind: What the values are, as the map's metadata have it.
    """

    of_class: tuple[int, ...]
    nodata: int
    kind: str = INDICES

    @property
    def dtype(self) -> str:
        """NumPy name of the smallest type that holds all values; GeoTIFF knows no int8 palettes."""
        low, high = min(*self.of_class, self.nodata, 0), max(*self.of_class, self.nodata)
        for name in ("uint8", "uint16", "int16", "int32"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return name
        raise UsageError(f"map values from {low} to {high} fit no raster.")

    def written(self, indices: npt.NDArray[np.uint8 | np.uint16]) -> npt.NDArray[Any]:
        """Return the values of class indices; where there is none, they are the largest number."""
        table = np.full(np.iinfo(indices.dtype).max + 1, self.nodata, self.dtype)
        table[: len(self.of_class)] = self.of_class
        return np.asarray(table[indices])


def index_values(classes: int, nodata: int | None) -> MapValues:
    """Return class indices, 255 without data unless another value is given."""
    return MapValues(tuple(range(classes)), IGNORE if nodata is None else nodata)


def label_values(encoding: LabelEncoding | None, nodata: int | None) -> MapValues:
    """Return the values of the labels that a model was trained on.

    Without data they are what meant "no label" there, else 255 or the next free value.

    Raises:
        UsageError: The labels were colours, or the model does not know how they were written.
    """
    if encoding is None or encoding.kind != "index":
        how = "were colours" if encoding else "are not known to this older model"
        raise UsageError(
            f"values=labels: the values of the model's labels {how}.",
            "Leave it out: the map's palette holds the colours of the classes.",
        )
    if nodata is None:
        taken = encoding.class_of_value
        free = (*encoding.ignored_values, IGNORE, *range(max(taken) + 1, max(taken) + 2))
        nodata = next(value for value in free if value not in taken)
    return MapValues(encoding.values, nodata, LABELS)
