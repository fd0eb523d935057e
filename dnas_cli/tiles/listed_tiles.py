"""The tiles that lists name: the list of each split, the tiles that exist, scenes in two splits."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from dnas_cli.datasets.discovery import Problem
from dnas_cli.datasets.path_patterns import SPLIT_OF_NAME
from dnas_cli.errors import DataError, UsageError
from dnas_cli.tiles.lists import SPLITS, TileRef, path_inside

_LIST_SUFFIXES = (".lst", ".txt")


def find_lists(given: Sequence[Path], published: str | None) -> dict[str, Path]:
    """Find the list file of every split.

    Args:
        given: A folder, or files whose names say the split (`rs_train.lst`).
        published: The names the dataset's lists are published under, with `{split}`.

    Raises:
        DataError: A file or folder is missing, or a folder holds no lists.
        UsageError: It is not clear which list is for which split.
    """
    for path in given:
        if not path.exists():
            raise DataError(f"{path}: no such list file or folder.")
    if len(given) == 1 and given[0].is_dir():
        folder = given[0]
        if published is not None:
            named = {split: folder / published.format(split=split) for split in SPLITS}
            there = {split: path for split, path in named.items() if path.is_file()}
            if there:
                return there
        listed = sorted(folder.glob("[!.]*"))
        candidates = [path for path in listed if path.suffix in _LIST_SUFFIXES]
    else:
        candidates = list(given)
        folders = [path for path in candidates if path.is_dir()]
        if folders:
            raise UsageError(f"from_lists={folders[0]}: give one folder, or files only.")
        unclear = [path for path in candidates if _split_of(path) is None]
        if unclear:
            raise UsageError(f"from_lists={unclear[0]}: the name does not say train, val or test.")
    found: dict[str, Path] = {}
    for path in candidates:
        split = _split_of(path)
        if split is None:
            continue
        if split in found:
            raise UsageError(
                f"from_lists=...: both {found[split]} and {path} are for {split}.",
                "Name the list files one by one: from_lists=A, from_lists=B and so on.",
            )
        found[split] = path
    if not found:
        raise DataError(f"{given[0]}: holds no list such as train.lst or rs_train.lst.")
    return {split: found[split] for split in SPLITS if split in found}


def _split_of(path: Path) -> str | None:
    words = {SPLIT_OF_NAME.get(word) for word in re.split(r"[^a-z]+", path.stem.lower())} - {None}
    return words.pop() if len(words) == 1 else None


def existing_tiles(
    source: Path, refs: Mapping[str, Sequence[TileRef]]
) -> tuple[dict[str, list[TileRef]], list[Problem]]:
    """Keep the tiles whose files exist below the source folder, each once."""
    kept: dict[str, list[TileRef]] = {split: [] for split in SPLITS}
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for split, entries in refs.items():
        for ref in entries:
            file = os.path.realpath(source / ref.image)  # whatever links lead to it
            if file in seen:
                where = "twice" if seen[file] == split else f"in {seen[file]} and {split}"
                problems.append(Problem(ref.image, f"is listed {where}; the first one counts"))
                continue
            seen[file] = split
            reason = _missing(source, ref)
            if reason is None:
                kept[split].append(ref)
            else:
                problems.append(Problem(ref.image, reason))
    return kept, problems


def _missing(source: Path, ref: TileRef) -> str | None:
    for name, path in (("image", ref.image), ("label", ref.label)):
        try:
            if not path_inside(source, path).is_file():
                return f"{name} {path}: no such file"
        except DataError as error:
            return error.what
        except OSError as error:
            return f"{name} {path}: {error.strerror}"
    return None


def leaks_between(refs: Mapping[str, Sequence[TileRef]]) -> list[Problem]:
    """Name the scenes that have tiles in two splits, in one line."""
    splits: dict[str, set[str]] = defaultdict(set)
    for split, entries in refs.items():
        for ref in entries:
            splits[ref.scene].add(split)
    shared = sorted(scene for scene, found in splits.items() if len(found) > 1)
    if not shared:
        return []
    listed = ", ".join(shared[:20]) + (", ..." if len(shared) > 20 else "")
    return [Problem("lists", f"{len(shared)} scenes are in more than one split: {listed}")]
