"""The values a dataset description is made of: texts, numbers, colours and classes, checked."""

import math
import re
from dataclasses import replace
from typing import Any, Literal, TypeVar

from dnas_cli.errors import DataError
from dnas_cli.files import nfc
from dnas_cli.scenes.class_colours import chosen_colours
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.palette import Colour, LandClass
from dnas_cli.typed_fields import shown_value

_MOST_CLASSES = 250

Kind = TypeVar("Kind")


def text_of(value: Any, key: str) -> str:
    """Return a text of one line, as it compares.

    Raises:
        DataError: It is not such a text.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise DataError(f"`{key}` is {shown_value(value)}, but must be a text.", _quote_hint(value))
    return nfc(value)


def number_of(value: float, key: str) -> float:
    """Return a number as a float that is finite; `nodata` may be anything.

    Raises:
        DataError: It is not such a number.
    """
    try:
        number = float(value)
    except OverflowError as error:
        raise DataError(f"`{key}` is {shown_value(value)}, which is too large.") from error
    if not math.isfinite(number) and key != "nodata":
        raise DataError(f"`{key}` is {shown_value(value)}, but must be a finite number.")
    return number


def numbers_of(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return finite numbers.

    Raises:
        DataError: One is not finite.
    """
    return tuple(number_of(value, "normalisation") for value in values)


def names_of(value: Any, key: str) -> tuple[str, ...]:
    """Return a list of names that all differ; plain numbers are taken as names.

    Raises:
        DataError: It is not such a list.
    """
    if not isinstance(value, list):
        raise DataError(f"`{key}` is {shown_value(value)}, but must be a list of names.")
    names = []
    for entry in value:
        is_number = isinstance(entry, int) and not isinstance(entry, bool)
        names.append(str(entry) if is_number else text_of(entry, key))
    if len({name.lower() for name in names}) != len(names):
        raise DataError(f"`{key}` holds the same name twice.")
    return tuple(names)


def colour_of(value: Any, key: str) -> Colour:
    """Return a colour given as [red, green, blue] or as "#rrggbb".

    Raises:
        DataError: It is not a colour.
    """
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    channels = value if isinstance(value, list) else []
    if len(channels) != 3 or not all(type(x) is int and 0 <= x <= 255 for x in channels):
        raise DataError(
            f"`{key}` has the colour {shown_value(value)}, but a colour is [red, green, blue] or "
            '"#rrggbb" with values from 0 to 255.'
        )
    red, green, blue = channels
    return red, green, blue


def read_classes(value: Any, first_value: int, kind: Literal["colour", "index"]) -> LabelEncoding:
    """Return the classes with the stored values or colours of each.

    Three forms: a mapping of names to colours; a list of `{name, colour, value}`, where `colour`
    and `value` can be lists; a plain list of names (index labels only, colours are chosen).

    Raises:
        DataError: There are none, too many, or two are the same.
    """
    if not value or not isinstance(value, dict | list):
        raise DataError("`classes` is missing: names with colours, such as `water: [0, 0, 255]`.")
    if len(value) > _MOST_CLASSES:
        raise DataError(f"{len(value)} classes are more than the {_MOST_CLASSES} that fit.")
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    classes: list[tuple[str, Colour | None]] = []
    colours: list[tuple[Colour, int]] = []
    values: list[tuple[int, int]] = []
    for position, (key, entry) in enumerate(entries):
        fields = _class_fields(key, entry, isinstance(value, dict))
        name = text_of(fields["name"], "classes")
        own = _colours_of(fields["colour"], f"classes: {name}") if "colour" in fields else ()
        if not own and kind == "colour":
            raise DataError(f"class {name!r} has no colour, and labels are colours.")
        classes.append((name, own[0] if own else None))
        colours += [(colour, position) for colour in own]
        numbers = _whole_numbers(fields.get("value", first_value + position), name)
        values += [(number, position) for number in numbers]
    _refuse_doubles([name for name, _ in classes], "name")
    coloured = _coloured(classes)
    if kind == "colour":
        _refuse_doubles([str(colour) for colour, _ in colours], "colour")
        return LabelEncoding(kind, coloured, more_colours=_further(colours))
    _refuse_doubles([str(number) for number, _ in values], "value")
    first = {position: number for number, position in reversed(values)}
    own_values = tuple(first[position] for position in range(len(classes)))
    return LabelEncoding(kind, coloured, own_values, more_values=_further(values))


def group_classes(encoding: LabelEncoding, value: Any) -> LabelEncoding:
    """Join classes: `{vegetation: [forest, meadow]}` makes one class of two.

    The group takes the place, colour and value of its first class; those of the others are further
    ones of the group.

    Raises:
        DataError: A group holds no class, an unknown one, or one that is in another group.
    """
    if not isinstance(value, dict):
        raise DataError(
            f"`groups` is {shown_value(value)}, but must name groups with their classes."
        )
    names = [item.name for item in encoding.classes]
    group_of: dict[str, str] = {}
    for group, members in value.items():
        for member in names_of(members, f"groups: {text_of(group, 'groups')}"):
            if member not in names:
                raise DataError(f"`groups: {group}` holds {member!r}, which is not a class.")
            if group_of.setdefault(member, group) != group:
                raise DataError(f"`groups` has the class {member!r} in two groups.")
    joined = list(dict.fromkeys(group_of.get(name, name) for name in names))
    _refuse_doubles([*value, *(name for name in names if name not in group_of)], "name")
    new_index = [joined.index(group_of.get(name, name)) for name in names]
    first = [new_index.index(index) for index in range(len(joined))]
    old = encoding.classes
    values = sorted(encoding.class_of_value.items(), key=lambda item: item[1])
    colours = sorted(encoding.class_of_colour.items(), key=lambda item: item[1])
    is_index = encoding.kind == "index"
    return replace(
        encoding,
        classes=tuple(LandClass(joined[i], old[at].colour) for i, at in enumerate(first)),
        values=tuple(encoding.values[at] for at in first) if is_index else (),
        more_values=_further([(value, new_index[at]) for value, at in values]) if is_index else (),
        more_colours=() if is_index else _further([(c, new_index[at]) for c, at in colours]),
    )


def _coloured(classes: list[tuple[str, Colour | None]]) -> tuple[LandClass, ...]:
    """Choose a colour for every class that has none."""
    given = [colour for _, colour in classes if colour is not None]
    chosen = iter(chosen_colours([name for name, colour in classes if colour is None], given))
    return tuple(LandClass(name, colour or next(chosen)) for name, colour in classes)


def _further(entries: list[tuple[Kind, int]]) -> tuple[tuple[Kind, int], ...]:
    """Leave out the first entry of every class."""
    seen: set[int] = set()
    further = []
    for entry in entries:
        if entry[1] in seen:
            further.append(entry)
        seen.add(entry[1])
    return tuple(further)


def _colours_of(value: Any, key: str) -> tuple[Colour, ...]:
    several = isinstance(value, list) and bool(value) and isinstance(value[0], list | str)
    return tuple(colour_of(entry, key) for entry in (value if several else [value]))


def _whole_numbers(value: Any, name: str) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) and value else [value]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int):
            raise DataError(
                f"class {name!r} has the value {shown_value(number)}, not a whole number."
            )
    return tuple(numbers)


def _class_fields(key: Any, entry: Any, named: bool) -> dict[str, Any]:
    if isinstance(entry, dict):
        entry = {"colour" if field == "color" else field: value for field, value in entry.items()}
        unknown = sorted(str(field) for field in entry if field not in ("name", "colour", "value"))
        if unknown:
            raise DataError(
                f"unknown key `classes: {unknown[0]}`.", "Known keys: name, colour, value."
            )
        fields = {"name": key, **entry} if named else dict(entry)
        if "name" not in fields:
            raise DataError(f"class {key} has no name.")
        return fields
    if named:
        return {"name": key} if entry is None else {"name": key, "colour": entry}
    return {"name": entry}


def _refuse_doubles(values: list[str], what: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise DataError(f"two classes have the {what} {value}.")


def _quote_hint(value: Any) -> str:
    # YAML reads yes, no, on, off and bare numbers as something else than text.
    return f"Put it in quotes if {value} is meant." if isinstance(value, bool | int) else ""
