"""How labels are written: which value or colour is which class, and which mean "no label"."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.palette import Colour, LandClass, colours_to_indices
from dnas_cli.scenes.vector_encoding import VectorEncoding
from dnas_cli.typed_fields import build

BLACK: Colour = (0, 0, 0)

_NO_LABEL = 254  # marks declared "no label" beside `IGNORE`; there are 250 classes at most


@dataclass(frozen=True)
class LabelEncoding:
    """How a label raster says which class a pixel has.

    Attributes:
        kind: `colour` (RGB, RGBA, grey or palette image) or `index` (one band of numbers).
        classes: The classes; position is the class index.
        values: Index labels: the stored value of each class.
        ignored_values: Index labels: values that mean "no label".
        ignored_colours: Colour labels: colours that mean "no label".
        more_values: Index labels: further values of a class, each with its class index.
        more_colours: Colour labels: further colours of a class, each with its class index.
        grey_is_index: Colour labels: a grey file holds class indices, 255 without label.
        vector: How features of vector layers say their class.
    """

    kind: Literal["colour", "index"]
    classes: tuple[LandClass, ...]
    values: tuple[int, ...] = ()
    ignored_values: tuple[int, ...] = ()
    ignored_colours: tuple[Colour, ...] = ()
    more_values: tuple[tuple[int, int], ...] = ()
    more_colours: tuple[tuple[Colour, int], ...] = ()
    grey_is_index: bool = False
    vector: VectorEncoding | None = None

    @property
    def class_of_value(self) -> dict[int, int]:
        """The class index of every stored value that is a class."""
        return {value: index for index, value in enumerate(self.values)} | dict(self.more_values)

    @property
    def class_of_colour(self) -> dict[Colour, int]:
        """The class index of every colour that is a class."""
        own = {item.colour: index for index, item in enumerate(self.classes)}
        return own | dict(self.more_colours)

    def for_grey(self, dtype: str) -> "LabelEncoding":
        """Return how a file of one band without colours is read.

        Colours of wider types than 8 bits are numbers: 255 is white, and 65535 of 16 bits as well.
        """
        if self.kind == "colour" and self.grey_is_index:
            return tile_encoding(self.classes)
        greys = {c: index for c, index in self.class_of_colour.items() if len(set(c)) == 1}
        if self.kind != "colour" or dtype == "uint8" or not greys:
            return self
        steps = (1, 257) if dtype == "uint16" else (1,)
        ignored = [colour[0] for colour in self.ignored_colours if len(set(colour)) == 1]
        return LabelEncoding(
            "index",
            self.classes,
            ignored_values=tuple(step * grey for grey in ignored for step in steps),
            more_values=tuple(
                (step * colour[0], index) for colour, index in greys.items() for step in steps
            ),
        )

    def from_colours(
        self, colours: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Return class indices (h, w) and the unknown pixels (h, w) of colours (h, w, 3)."""
        ignored = dict.fromkeys(self.ignored_colours, _NO_LABEL)
        indices = colours_to_indices(colours, self.class_of_colour | ignored)
        unknown = indices == IGNORE
        indices[indices == _NO_LABEL] = IGNORE
        return indices, unknown

    def from_values(
        self, values: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Return class indices (h, w) and the unknown pixels (h, w) of stored values (h, w)."""
        known = self.class_of_value | dict.fromkeys(self.ignored_values, _NO_LABEL)
        if values.dtype == np.uint8:
            table = np.full(256, IGNORE, np.uint8)
            for value, index in known.items():
                if 0 <= value <= 255:
                    table[value] = index
            indices = table[values]
        else:
            indices = np.full(values.shape, IGNORE, np.uint8)
            for value, index in known.items():
                indices[values == value] = index
        unknown = indices == IGNORE
        indices[indices == _NO_LABEL] = IGNORE
        return indices, unknown

    def to_json(self) -> dict[str, Any]:
        """Return the encoding as plain data; the classes are kept elsewhere."""
        vector = {} if self.vector is None else {"vector": self.vector.to_json()}
        return self._pixels_to_json() | vector

    def _pixels_to_json(self) -> dict[str, Any]:
        if self.kind == "index":
            more = [list(entry) for entry in self.more_values]
            plain = {"values": list(self.values), "ignore": list(self.ignored_values)}
            return {"kind": "index", **plain, **({"more_values": more} if more else {})}
        content: dict[str, Any] = {
            "kind": "colour",
            "ignore": [list(item) for item in self.ignored_colours],
        }
        if self.more_colours:
            content["more_colours"] = [[list(colour), i] for colour, i in self.more_colours]
        if self.grey_is_index:
            content["grey_is_index"] = True
        return content

    @staticmethod
    def from_json(value: Mapping[str, Any], classes: tuple[LandClass, ...]) -> "LabelEncoding":
        """Build an encoding from plain data.

        Raises:
            ValueError: The data describe no encoding of these classes.
        """
        vector = value.get("vector")
        encoding = _pixels_from_json(value, classes)
        return replace(encoding, vector=None if vector is None else build(VectorEncoding, vector))


def _pixels_from_json(value: Mapping[str, Any], classes: tuple[LandClass, ...]) -> LabelEncoding:
    if value["kind"] == "colour":
        return LabelEncoding(
            "colour",
            classes,
            ignored_colours=tuple(_colour(colour) for colour in value["ignore"]),
            more_colours=tuple(
                (_colour(colour), _class_index(index, classes))
                for colour, index in value.get("more_colours", ())
            ),
            grey_is_index=value.get("grey_is_index", False) is True,
        )
    if value["kind"] != "index" or len(value["values"]) != len(classes):
        raise ValueError("a label encoding needs one value per class")
    return LabelEncoding(
        "index",
        classes,
        tuple(int(number) for number in value["values"]),
        tuple(int(number) for number in value["ignore"]),
        more_values=tuple(
            (int(number), _class_index(index, classes))
            for number, index in value.get("more_values", ())
        ),
    )


def tile_encoding(classes: tuple[LandClass, ...]) -> LabelEncoding:
    """Return the encoding of label tiles: class indices as they are, 255 without label."""
    return LabelEncoding("index", classes, tuple(range(len(classes))), (IGNORE,))


def colour_encoding(classes: tuple[LandClass, ...]) -> LabelEncoding:
    """Return the encoding by the classes' colours; black means "no label" unless it is a class."""
    black_is_a_class = any(item.colour == BLACK for item in classes)
    return LabelEncoding("colour", classes, ignored_colours=() if black_is_a_class else (BLACK,))


def grey_encoding(
    encoding: LabelEncoding, values: Iterable[float], greys: Iterable[int], beside_colours: bool
) -> LabelEncoding:
    """Decide what grey files of colour labels hold: colours, or class indices.

    Masks of 0 and 255 for a black and a white class are colours, and so are grey files beside
    coloured ones; tiles cut from coloured labels often hold class indices instead.

    Args:
        values: The stored values that occur in the grey files, unlabelled ones left out.
        greys: What a viewer shows for them.
        beside_colours: Whether other files of the same labels hold colours.
    """
    known = [*encoding.class_of_colour, *encoding.ignored_colours]
    all_grey = all(len(set(item.colour)) == 1 for item in encoding.classes)
    known_greys = {colour[0] for colour in known if len(set(colour)) == 1}
    are_colours = set(greys) <= known_greys and (all_grey or beside_colours)
    are_indices = set(values) <= {*range(len(encoding.classes)), IGNORE}
    return replace(encoding, grey_is_index=are_indices and not are_colours)


def shift_advice(encoding: LabelEncoding, found: Iterable[float]) -> tuple[str, bool]:
    """Say how a wrong `first_value` shows in the values that occur.

    Args:
        encoding: Of index labels.
        found: The values that occur.

    Returns:
        What the values are and how to mend the description, empty where they look right; and
        whether it is certain: every class would be taken for another.
    """
    first, count = min(encoding.values, default=0), len(encoding.values)
    if encoding.values != tuple(range(first, first + count)) or encoding.more_values:
        return "", False
    left = sorted({value for value in found if value not in (*encoding.ignored_values, IGNORE)})
    if not left or set(left) <= set(encoding.values):
        return "", False
    shown = ", ".join(f"{value:g}" for value in left[:12]) + (", ..." if len(left) > 12 else "")
    said = f"the labels hold {shown}, but the classes are {first} to {first + count - 1}"
    after, before = first + count, first - 1
    if set(left) <= set(range(first + 1, after + 1)):
        return f"{said}: set `first_value: {first + 1}`", True
    if set(left) <= set(range(first, after + 1)):
        return (
            f"{said}: set `first_value: {first + 1}` and `ignore: {first}` if {first} means no "
            f"label, or `ignore: {after}` if {after} does",
            False,
        )
    if set(left) <= set(range(before, after)):
        return (
            f"{said}: set `ignore: {before}` if {before} means no label, or "
            f"`first_value: {before}` if it is the first class",
            False,
        )
    return "", False


def _colour(value: Any) -> Colour:
    red, green, blue = (int(channel) for channel in value)
    return red, green, blue


def _class_index(value: Any, classes: tuple[LandClass, ...]) -> int:
    index = int(value)
    if not 0 <= index < len(classes):
        raise ValueError(f"class {index} of {len(classes)}")
    return index
