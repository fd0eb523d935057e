"""The values a dataset description is made of: texts, numbers, colours and classes, checked."""

import colorsys
import math
import re
from typing import Any

from dnas_cli.errors import DataError
from dnas_cli.scenes.labels import Colour
from dnas_cli.scenes.palette import LandClass

_MOST_CLASSES = 250


def text_of(value: Any, key: str) -> str:
    """Return a text of one line.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise DataError(f"`{key}` is {_shown(value)}, but must be a text.", _quote_hint(value))
    return value


def number_of(value: Any, key: str) -> float:
    """Return a finite number.

    Raises:
        DataError: It is none.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise DataError(f"`{key}` is {_shown(value)}, but must be a number.") from error
    if not math.isfinite(number) and key != "nodata":
        raise DataError(f"`{key}` is {_shown(value)}, but must be a finite number.")
    return number


def numbers_of(value: Any, key: str) -> tuple[float, ...]:
    """Return a list of finite numbers.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, list):
        raise DataError(f"`{key}` is {_shown(value)}, but must be a list of numbers.")
    return tuple(number_of(number, key) for number in value)


def names_of(value: Any, key: str) -> tuple[str, ...]:
    """Return a list of names that all differ; plain numbers are taken as names.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, list):
        raise DataError(f"`{key}` is {_shown(value)}, but must be a list of names.")
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
        DataError: It is neither.
    """
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    channels = value if isinstance(value, list) else []
    if len(channels) != 3 or not all(_is_channel(channel) for channel in channels):
        raise DataError(
            f"`{key}` has the colour {_shown(value)}, but a colour is [red, green, blue] or "
            '"#rrggbb" with values from 0 to 255.'
        )
    red, green, blue = channels
    return red, green, blue


def read_classes(
    value: Any, first_value: int, kind: str
) -> tuple[tuple[LandClass, ...], tuple[int, ...]]:
    """Return the classes and, for index labels, the stored value of each.

    Three forms: a mapping of names to colours; a list of `{name, colour, value}`; a plain list of
    names (index labels only, colours are chosen).

    Raises:
        DataError: There are none, too many, or two are the same.
    """
    if not value or not isinstance(value, dict | list):
        raise DataError("`classes` is missing: names with colours, such as `water: [0, 0, 255]`.")
    if len(value) > _MOST_CLASSES:
        raise DataError(f"{len(value)} classes are more than the {_MOST_CLASSES} that fit.")
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    classes: list[LandClass] = []
    values: list[int] = []
    for position, (key, entry) in enumerate(entries):
        fields = _class_fields(key, entry, isinstance(value, dict))
        name = text_of(fields["name"], "classes")
        if "colour" in fields:
            colour = colour_of(fields["colour"], f"classes: {name}")
        elif kind == "index":
            colour = _chosen_colour(position)
        else:
            raise DataError(f"class {name!r} has no colour, and labels are colours.")
        classes.append(LandClass(name, colour))
        number = fields.get("value", first_value + position)
        if isinstance(number, bool) or not isinstance(number, int):
            raise DataError(f"class {name!r} has the value {_shown(number)}, not a whole number.")
        values.append(number)
    _refuse_doubles([land_class.name for land_class in classes], "name")
    if kind == "colour":
        _refuse_doubles([str(land_class.colour) for land_class in classes], "colour")
        return tuple(classes), ()
    _refuse_doubles([str(number) for number in values], "value")
    return tuple(classes), tuple(values)


def _class_fields(key: Any, entry: Any, named: bool) -> dict[str, Any]:
    if isinstance(entry, dict):
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


def _chosen_colour(position: int) -> Colour:
    # Steps by the golden ratio keep the hues of neighbouring classes apart, for any number.
    hue = (0.6 + position * 0.618034) % 1.0
    brightness = 0.9 if position % 2 == 0 else 0.65
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)


def _is_channel(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def _quote_hint(value: Any) -> str:
    # YAML reads yes, no, on, off and bare numbers as something else than text.
    return f"Put it in quotes if {value} is meant." if isinstance(value, bool | int) else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
