"""Dataclass fields with rules and help, and their construction from plain data.

One line in a dataclass, `batch: int = option(2, "Tiles per step.", at_least=1)`, is a default, a
check, a key in files and an option of the command line. In a `TypedDict` of keyword arguments it is
`batch: Annotated[int, Option("Tiles per step.", default=2, at_least=1)]`. `build` makes such
dataclasses, with all their values, from the plain data of JSON and YAML.
"""

import difflib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from dnas_cli.errors import UsageError

_LARGEST = 1_000_000_000  # of any number that has no rule of its own
_KEY = "option"
_hints = cache(get_type_hints)

SettingValue: TypeAlias = bool | int | float | str
"""The value of a setting, in files and in runs."""
Built = TypeVar("Built")
Given = TypeVar("Given", bound=Mapping[str, object])


@dataclass(frozen=True)
class Option:
    """The rules and the help of a field.

    Attributes:
        help: One sentence for the command line and the documentation.
        panel: Its group of options in help.
        flag: Its name on the command line, if not the field's.
        alias: Another name there.
        metavar: Placeholder of its value in help.
        quick: Its value in the preset for laptops; None for the default.
        strong: Its value in the strong recipe; None if the recipe does not set it.
        at_least: The smallest value.
        above: What a value must exceed.
        below: What a value must stay under.
        at_most: The largest value.
        default: Of a key in a TypedDict.
        read: How its text on the command line becomes its value, if not by its type.
    """

    help: str = ""
    panel: str = ""
    flag: str = ""
    alias: str = ""
    metavar: str | None = None
    quick: Any = None
    strong: Any = None
    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    at_most: float = _LARGEST
    default: Any = None
    read: Callable[[str], Any] | None = None

    def broken_by(self, value: Any) -> str:
        """Say which rule a value breaks; empty if none."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return ""
        if self.at_least is not None and not value >= self.at_least:  # NaN is not, either
            return f"must be at least {self.at_least:g}"
        if self.above is not None and not value > self.above:
            return f"must be above {self.above:g}"
        if self.below is not None and not value < self.below:
            return f"must be below {self.below:g}"
        fits = math.isinf(self.at_most) or abs(value) <= self.at_most  # anything, NaN as well
        return "" if fits else f"must be at most {self.at_most:g}"


def option(default: Any, help: str = "", **rules: Any) -> Any:
    """Return a field with a default and an `Option` of the given help and rules."""
    return field(default=default, metadata=ruled(help, **rules))


def ruled(help: str = "", **rules: Any) -> dict[str, Option]:
    """Return the metadata of a field of the given help and rules."""
    return {_KEY: Option(help, **rules)}


def option_of(item: Field[Any]) -> Option:
    """Return the rules and the help of a field."""
    found = item.metadata.get(_KEY, Option())
    assert isinstance(found, Option)
    return found


def options_of(kind: type[Any]) -> dict[str, tuple[Any, Option, Any]]:
    """Return type, rules and default of the fields of a dataclass or the keys of a TypedDict."""
    if is_dataclass(kind):
        types = types_of(kind)
        return {
            item.name: (types[item.name], option_of(item), item.default) for item in fields(kind)
        }
    hints = get_type_hints(kind, include_extras=True)
    return {name: (*get_args(hint), get_args(hint)[1].default) for name, hint in hints.items()}


def completed(kind: type[Given], given: Given) -> Given:
    """Return the keyword arguments of a TypedDict with the default of each missing one.

    Raises:
        UsageError: One is unknown or breaks its rule.
    """
    known, values = options_of(kind), cast(Mapping[str, Any], given)
    refuse_unknown(values, known)
    for name, value in values.items():
        if broken := known[name][1].broken_by(value):
            raise UsageError(f"{name}={value}: {broken}.")
    return cast(Given, {name: default for name, (_, _, default) in known.items()} | dict(values))


def refuse_unknown(names: Collection[str], known: Collection[str]) -> None:
    """Refuse a keyword argument that does not exist.

    Raises:
        UsageError: One does not; the message names the nearest.
    """
    for name in names:
        if name not in known:
            raise UsageError(f"{name}: is not an option.{did_you_mean(name, known)}")


def types_of(kind: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields."""
    return _hints(kind)


def check_fields(value: object) -> None:
    """Check that every field of a dataclass has its type and keeps its rule.

    Raises:
        ValueError: A value does not; the message starts with the field, written like an option.
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
        where: Its place in the file; messages start with it.

    Raises:
        ValueError: A key is wrong; the message names it, and for an unknown key the nearest.
    """
    values = built_fields(kind, value, where)
    for item in fields(kind):  # type: ignore[arg-type]
        if item.name not in values and item.default is item.default_factory is MISSING:
            raise ValueError(f"{where}.{item.name} is missing".lstrip("."))
    return kind(**values)


def built_fields(kind: type[Any], value: Any, where: str) -> dict[str, Any]:
    """Return values of some fields of a dataclass from plain data.

    Raises:
        ValueError: A key is wrong; as `build`.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{where or 'it'} is {shown_value(value)}, not keys with values".lstrip())
    known, types = {item.name: item for item in fields(kind)}, types_of(kind)
    inside = f"{where}." if where else ""
    for key in value:
        if key not in known:
            raise ValueError(f"unknown key {inside}{key!s:.60}.{did_you_mean(key, known)}")
    return {
        name: _field(item, value[name], types[name], inside + name)
        for name, item in known.items()
        if name in value
    }


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
        known = [item for item in inner if type(value) is item]  # of `bool | int | float | str`
        return convert(value, (*known, *inner)[0], where)
    if origin is Literal:
        if isinstance(value, str) and value in inner:
            return value
        hint = did_you_mean(value, inner)
        raise ValueError(
            f"{where} {shown_value(value)} is none of {', '.join(filter(None, inner))}.{hint}"
        )
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
    raise ValueError(f"{where} {shown_value(value)} is not {wanted}")


def did_you_mean(key: object, known: Collection[str]) -> str:
    """Return a sentence that suggests the nearest known name, with a blank before it."""
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.4)
    return f" Did you mean {near[0]}?" if near else f" Known are {', '.join(known)}."


def _field(item: Field[Any], value: Any, kind: Any, where: str) -> Any:
    converted = convert(value, kind, where)
    if broken := option_of(item).broken_by(converted):
        raise ValueError(f"{where} {broken}, not {converted!r}")
    return converted


def shown_value(value: object) -> str:
    """Return a value as messages show it, in 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
