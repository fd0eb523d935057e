"""Dataclass fields with rules and help, and their construction from plain data.

One line in a dataclass, `batch: int = option(2, "Tiles per step.", at_least=1)`, is a default, a
check, a key in files and an option of the command line. `build` makes such dataclasses, with all
their values, from the plain data of JSON and YAML.
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

_LARGEST = 1_000_000_000  # of any number that has no rule of its own
_KEY = "option"

Built = TypeVar("Built")


@dataclass(frozen=True)
class Option:
    """The rules and the help of a field.

    Attributes:
        help: One sentence for the command line and the documentation.
        panel: Its group of options in help.
        flag: Its name on the command line, if not the field's.
        metavar: Placeholder of its value in help.
        quick: Its value in the preset for laptops; None for the default.
        strong: Its value in the strong recipe; None if the recipe does not set it.
        at_least: The smallest value.
        above: What a value must exceed.
        below: What a value must stay under.
        at_most: The largest value.
    """

    help: str = ""
    panel: str = ""
    flag: str = ""
    metavar: str | None = None
    quick: Any = None
    strong: Any = None
    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    at_most: float = _LARGEST


def option(default: Any, help: str = "", **rules: Any) -> Any:
    """Return a field with a default and an `Option` of the given help and rules."""
    return field(default=default, metadata={_KEY: Option(help, **rules)})


def option_of(item: Field[Any]) -> Option:
    """Return the rules and the help of a field."""
    found = item.metadata.get(_KEY, Option())
    assert isinstance(found, Option)
    return found


def types_of(kind: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields."""
    return get_type_hints(kind)


def check_fields(value: object) -> None:
    """Check that every field of a dataclass has its type and keeps its rule.

    Raises:
        ValueError: One does not; the message starts with the field, written like an option.
    """
    kinds = types_of(type(value))
    for item in fields(value):  # type: ignore[arg-type]
        _field(item, getattr(value, item.name), kinds[item.name], spelled(item.name))


def spelled(name: str) -> str:
    """Return a field's name on the command line and in YAML."""
    return name.replace("_", "-")


def build(kind: type[Built], value: Any, where: str = "") -> Built:
    """Make a dataclass from plain data with a value of the right type for every field.

    Args:
        kind: The dataclass.
        value: The plain data.
        where: Its name in messages.

    Raises:
        ValueError: A key is wrong; the message names it, and for an unknown key the nearest.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{where or 'it'} is {_shown(value)}, not keys with values".lstrip())
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    inside = f"{where}." if where else ""
    for key in value:
        if key not in known:
            raise ValueError(f"unknown key {inside}{key!s:.60}.{did_you_mean(key, known)}")
    values = {}
    for name, item in known.items():
        if name in value:
            values[name] = _field(item, value[name], types_of(kind)[name], inside + name)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise ValueError(f"{inside}{name} is missing")
    return kind(**values)


def convert(value: Any, kind: Any, where: str) -> Any:
    """Return plain data as a value of a type: a scalar, `Literal`, `X | None`, tuple, list, dict.

    Raises:
        ValueError: It has another type; the message starts with `where`.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, UnionType):
        if value is None and NoneType in inner:
            return None
        return convert(value, inner[0], where)
    if origin is Literal:
        if isinstance(value, str) and value in inner:
            return value
        hint = did_you_mean(value, inner)
        raise ValueError(f"{where} {_shown(value)} is none of {', '.join(inner)}.{hint}")
    if origin is dict and isinstance(value, Mapping):
        return {
            convert(key, inner[0], f"a key of {where}"): convert(item, inner[1], f"{where}.{key}")
            for key, item in value.items()
        }
    if origin in (tuple, list) and isinstance(value, list | tuple):
        fixed = origin is tuple and inner[-1] is not Ellipsis
        if fixed and len(value) != len(inner):
            raise ValueError(f"{where} has {len(value)} values, not {len(inner)}")
        kinds = inner if fixed else inner[:1] * len(value)
        return origin(convert(*pair, where) for pair in zip(value, kinds, strict=True))
    if is_dataclass(kind):
        return build(kind, value, where)  # type: ignore[arg-type]
    if kind is float and type(value) in (int, float):
        return value
    if origin is None and type(value) is kind:  # a boolean is not a number here
        return value
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    wanted = names.get(kind, "a list" if origin in (tuple, list) else "keys with values")
    raise ValueError(f"{where} {_shown(value)} is not {wanted}")


def did_you_mean(key: object, known: Collection[str]) -> str:
    """Return a sentence that suggests the nearest known name, with a blank before it."""
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
    return f" Did you mean {near[0]}?" if near else f" Known are {', '.join(known)}."


def _field(item: Field[Any], value: Any, kind: Any, where: str) -> Any:
    converted, rule = convert(value, kind, where), option_of(item)
    if not isinstance(converted, int | float) or isinstance(converted, bool):
        return converted
    if rule.at_least is not None and not converted >= rule.at_least:  # NaN is not, either
        raise ValueError(f"{where} must be at least {rule.at_least:g}, not {converted!r}")
    if rule.above is not None and not converted > rule.above:
        raise ValueError(f"{where} must be above {rule.above:g}, not {converted!r}")
    if rule.below is not None and not converted < rule.below:
        raise ValueError(f"{where} must be below {rule.below:g}, not {converted!r}")
    if not abs(converted) <= rule.at_most:
        raise ValueError(f"{where} must be at most {rule.at_most:g}, not {converted!r}")
    return converted


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
