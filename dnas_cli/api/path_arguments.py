"""What a caller may give in place of a path."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dnas_cli.run.directory import Run

if TYPE_CHECKING:
    from dnas_cli.mapping.mapper import Mapper
    from dnas_cli.tiles.tile_set import TileSet

AnyPath: TypeAlias = str | Path
AnyRun: TypeAlias = Run | str | Path
AnyModel: TypeAlias = "Mapper | Run | str | Path"
Data: TypeAlias = "TileSet | str | Path"


def path_of(given: "TileSet | Run | str | Path") -> Path:
    """Return the path of what is given."""
    return Path(given) if isinstance(given, str | Path) else given.root


def path_or_none(given: "TileSet | Run | str | Path | None") -> Path | None:
    """Return the path of what is given; None if nothing is."""
    return None if given is None else path_of(given)
