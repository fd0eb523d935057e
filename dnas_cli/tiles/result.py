"""What making a tile set ends with, and what is told on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.console import logger
from dnas_cli.datasets.discovery import Problem
from dnas_cli.datasets.inspection import ImageFacts
from dnas_cli.errors import DataError, RunStateError
from dnas_cli.tiles.cutting import file_facts
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.measurements import Measurements
from dnas_cli.tiles.settings import differences
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.tiles.work_folder import WorkFolder

_MOST_TOLD = 20  # problems; more would bury everything else


@dataclass(frozen=True)
class TilingOptions:
    """What is no property of the tile set: how one goes about making it.

    Attributes:
        workers: Processes at most.
        overwrite: Replace a tile set that is there.
        strict: Take every problem as an error.
    """

    workers: int = 1
    overwrite: bool = False
    strict: bool = False


@dataclass(frozen=True)
class TileSetResult:
    """A finished tile set.

    Attributes:
        tiles: The tile set.
        skipped: What was left out.
        made: Whether it was made now; false when it was there already.
    """

    tiles: TileSet
    skipped: tuple[Problem, ...]
    made: bool


def warn_skipped(problems: Sequence[Problem], strict: bool) -> None:
    """Tell what is left out, by name.

    Raises:
        DataError: `strict`, and there is something.
    """
    lines = [f"{problem.name}: {problem.reason}" for problem in problems]
    if strict and lines:
        more = f"\n  and {len(lines) - _MOST_TOLD} more" if len(lines) > _MOST_TOLD else ""
        raise DataError(
            f"--strict: {len(lines)} problems:\n  " + "\n  ".join(lines[:_MOST_TOLD]) + more,
            "Mend them, or leave --strict out to skip those files.",
        )
    for line in lines[:_MOST_TOLD]:
        logger.warning("skipped: %s", line)
    for line in lines[_MOST_TOLD:]:
        logger.debug("skipped: %s", line)
    if len(lines) > _MOST_TOLD:
        logger.warning(
            "skipped: %d in all; --verbose names every one, and so does dataset.json", len(lines)
        )


def nothing_useful(source: Path, problems: int) -> DataError:
    """Return the error that says nothing is left to work on."""
    return DataError(
        f"{source}: nothing can be used ({problems} problems, told above).",
        "Mend the files, or describe the folder in a YAML file (docs/datasets.md).",
    )


def warn_unknown_pixels(sources: Sequence[Mapping[str, Any]]) -> None:
    """Tell how many label pixels were of no known colour or value."""
    found = [source for source in sources if source["unknown_pixels"]]
    total = sum(int(source["unknown_pixels"]) for source in found)
    if total:
        logger.warning(
            "%s label pixels in %d files are of no known colour or value; they count as "
            "unlabelled",
            f"{total:,}", len(found),
        )  # fmt: skip


def source_facts(facts: ImageFacts, report: Measurements) -> dict[str, Any]:
    """Return what `dataset.json` says about an image."""
    return {
        "key": facts.pair.key,
        "scene": facts.pair.scene,
        "width": facts.width,
        "height": facts.height,
        "tiles": len(report.class_pixels),
        **report.facts,
    }


def class_sums(
    counts: Mapping[str, npt.NDArray[np.int64]], split: Mapping[str, str], classes: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Add up the pixels per class (unlabelled last) over the units of every split."""
    sums = {name: np.zeros(classes + 1, np.int64) for name in SPLITS}
    for unit, name in split.items():
        sums[name] += counts[unit]
    return sums


def refuse_other_settings(folder: WorkFolder, settings: Any, sources: Mapping[str, Path]) -> None:
    """Refuse a finished tile set that was made otherwise, or from other files.

    Args:
        folder: The folder.
        settings: The settings now asked for, as plain data.
        sources: The files that would be cut now: their paths by the name in `dataset.json`.

    Raises:
        RunStateError: It differs.
    """
    content = folder.finished_content()
    found = differences(content.get("settings"), settings)
    found += _changed_files(folder, content, sources)
    if found:
        shown = found[:_MOST_TOLD] + (["..."] if len(found) > _MOST_TOLD else [])
        raise RunStateError(
            f"{folder.root}: is a finished tile set that differs from what is asked for:\n  "
            + "\n  ".join(shown),
            "Repeat its settings to keep it, replace it with --overwrite, or name another folder "
            "with --out.",
        )


def _changed_files(
    folder: WorkFolder, content: Mapping[str, Any], sources: Mapping[str, Path]
) -> list[str]:
    known = {
        str(source[kind]["path"]): source[kind]
        for source in content.get("sources", [])
        for kind in ("image", "label")
        if kind in source
    }
    skipped = {str(item["name"]) for item in content.get("skipped", [])}
    made = (folder.root / "dataset.json").stat().st_mtime_ns
    found = []
    for name, path in sources.items():
        if name not in known:
            found += [] if name in skipped else [f"{name}: is new"]
        elif path.stat().st_size != known[name]["bytes"]:
            found.append(f"{name}: has another size now")
        elif path.stat().st_mtime_ns > made and file_facts(path, name) != known[name]:
            found.append(f"{name}: has changed")
    found += [f"{name}: is gone" for name in known if name not in sources]
    return found
