"""What a caller may give in place of a path."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_args

from dnas_cli.run.directory import Run
from dnas_cli.typed_fields import options_of, refuse_unknown

if TYPE_CHECKING:
    from dnas_cli.mapping.mapper import Mapper
    from dnas_cli.tiles.tile_set import TileSet

AnyPath: TypeAlias = str | Path
AnyRun: TypeAlias = Run | str | Path
AnyModel: TypeAlias = "Mapper | Run | str | Path"
Data: TypeAlias = "TileSet | str | Path"
Options = TypeVar("Options")


def path_of(given: "TileSet | Run | str | Path") -> Path:
    """Return the path of what is given."""
    return Path(given) if isinstance(given, str | Path) else given.root


def path_or_none(given: "TileSet | Run | str | Path | None") -> Path | None:
    """Return the path of what is given; None if nothing is."""
    return None if given is None else path_of(given)


def options_as(kind: type[Options], options: dict[str, Any]) -> Options:
    """Make a dataclass of options from keyword arguments; a path may be text or what has one.

    Raises:
        UsageError: There is no such option, or a value cannot work.
    """
    known = options_of(kind)
    refuse_unknown(options, known)
    paths = [name for name in options if Path in get_args(known[name][0])]
    return kind(**options | {name: path_or_none(options[name]) for name in paths})
