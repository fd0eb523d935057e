"""How features of a vector layer say which class they show."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class VectorEncoding:
    """How the features of a layer say which class they show.

    Attributes:
        layer: The layer; the first one when missing.
        class_field: The attribute that says the class; every feature is of class `only` without.
        values: Class index of every text of the attribute; the classes' names when empty.
        only: The class of all features, where there is no attribute.
        background: The class where no feature is, if there is one.
        all_touched: Every pixel that a feature touches, not only those whose centre it holds.
        order: How features are burnt, the last on top: by an attribute, from the smallest value to
            the largest, or from the largest with `-` before its name; by `area`, the smallest
            feature on top; by `classes`, in their order; of the file when missing.
        buffer: Metres around points and lines.
    """

    layer: str | None = None
    class_field: str | None = None
    values: tuple[tuple[str, int], ...] = ()
    only: int = 0
    background: int | None = None
    all_touched: bool = False
    order: str | None = None
    buffer: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the encoding as plain data."""
        return {**vars(self), "values": [list(entry) for entry in self.values]}
