"""Problems with files of a dataset: warnings by name, or an error if no file is left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnas_cli.console import logger
from dnas_cli.datasets.discovery import Problem
from dnas_cli.errors import DataError

_MOST_NAMED = 20  # problems; more would bury everything else


def warn_skipped(problems: Sequence[Problem], strict: bool) -> None:
    """Warn of skipped files and scenes by name.

    Raises:
        DataError: `strict`, and some are skipped.
    """
    lines = [f"{problem.name}: {problem.reason}" for problem in problems]
    if strict and lines:
        more = [f"and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
        raise DataError(
            f"strict=True: {len(lines)} problems:",
            "Repair these files, or leave strict=True out to skip them.",
            lines[:_MOST_NAMED] + more,
        )
    for line in lines[:_MOST_NAMED]:
        logger.warning("skipped: %s", line)
    for line in lines[_MOST_NAMED:]:
        logger.debug("skipped: %s", line)
    if len(lines) > _MOST_NAMED:
        logger.warning("skipped: %d in all; dataset.json lists them", len(lines))


def nothing_useful(source: Path, problems: int) -> DataError:
    """Return the error of a dataset without a usable file."""
    return DataError(
        f"{source}: no file can be used ({problems} problems, listed above).",
        "Repair the files, or describe the folder in a YAML file (docs/datasets.md).",
    )


def warn_unknown_pixels(sources: Sequence[Mapping[str, Any]]) -> None:
    """Warn of label pixels of no known colour or value."""
    found = [source for source in sources if source["unknown_pixels"]]
    total = sum(int(source["unknown_pixels"]) for source in found)
    if total:
        logger.warning(
            "%s label pixels in %d files are of no known colour or value; they count as "
            "unlabelled",
            f"{total:,}", len(found),
        )  # fmt: skip
