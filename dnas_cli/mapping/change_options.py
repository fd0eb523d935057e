"""The options of comparing maps, for `dnas change`."""

from dataclasses import dataclass
from pathlib import Path

from dnas_cli.errors import UsageError
from dnas_cli.typed_fields import option


@dataclass(frozen=True)
class ChangeOptions:
    """What is compared beside the maps, and written beside the transitions."""

    table: Path | None = option(None, "Write the transitions as a table.", metavar="CSV")
    old_confidence: Path | None = option(None, "Confidence of the earlier map.", metavar="TIF")
    new_confidence: Path | None = option(None, "Confidence of the later map.", metavar="TIF")
    min_confidence: float = option(0.5, "Leave out pixels of lower confidence in either.")
    overwrite: bool = option(False, "Replace what exists.", panel="Output")

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise UsageError(f"min_confidence={self.min_confidence:g}: must be from 0 to 1.")
