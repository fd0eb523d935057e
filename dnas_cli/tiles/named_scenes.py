"""Splits with named scenes: the seed decides about the rest."""

import difflib
import fnmatch
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dnas_cli.console import logger
from dnas_cli.datasets.path_patterns import safe_name
from dnas_cli.errors import UsageError
from dnas_cli.files import nfc
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.settings import TilingSettings
from dnas_cli.tiles.split import split_units
from dnas_cli.tiles.split_areas import split_areas


def named_splits(settings: TilingSettings, known: set[str]) -> dict[str, str]:
    """Return the split of every scene that is named for one, by name or by a pattern.

    Raises:
        UsageError: A scene is named for two splits.
    """
    result: dict[str, str] = {}
    for split, names in settings.scenes:
        for name in names:
            for scene in _meant(name, known):
                if result.setdefault(scene, split) != split:
                    raise UsageError(f"scene {scene!r} is named for two splits.")
    return result


def _meant(name: str, known: set[str]) -> list[str]:
    if safe_name(name) in known:
        return [safe_name(name)]
    # As in names of scenes, what cannot be in a file name is `_`; but the signs of a pattern stay.
    pattern = re.sub(r"[^\w.\-*?\[\]!]+", "_", nfc(name))
    return sorted(fnmatch.filter(known, pattern))


def check_named_scenes(settings: TilingSettings, known: set[str]) -> None:
    """Refuse names of scenes that do not exist.

    Args:
        settings: May name scenes.
        known: All scenes, also those that cannot be used.

    Raises:
        UsageError: A named scene does not exist; the message suggests the nearest.
    """
    named_splits(settings, known)
    for split, names in settings.scenes:
        for name in names:
            if not _meant(name, known):
                near = difflib.get_close_matches(safe_name(name), sorted(known), n=1)
                listed = ", ".join(sorted(known)[:12]) + (", ..." if len(known) > 12 else "")
                raise UsageError(
                    f"{split}_scenes={name!r}: no such scene."
                    + (f" Did you mean {near[0]}?" if near else ""),
                    f"Scenes: {listed}.",
                )


def split_with_names(
    counts: Mapping[str, npt.NDArray[np.int64]],
    scene_of_unit: Mapping[str, str],
    settings: TilingSettings,
    by_folder: Mapping[str, str],
    groups: Mapping[str, str],
    shapes: Mapping[str, tuple[int, int]],
) -> dict[str, str]:
    """Put named scenes into their splits, and divide the others among the splits without names.

    If train, val and test all have names, the others are left out.

    Args:
        counts: Pixels per class (unlabelled last) of every unit: scene or tile.
        scene_of_unit: The scene every unit belongs to.
        settings: Named scenes, ratio and seed.
        by_folder: The split of the scenes whose folder says it.
        groups: The group of scenes that overlap on the ground; they go to one split.
        shapes: Height and width of the images, by name.

    Returns:
        The split of every unit that is in one.
    """
    named = {**by_folder, **named_splits(settings, set(scene_of_unit.values()))}
    result = {unit: named[scene] for unit, scene in scene_of_unit.items() if scene in named}
    rest = {
        unit: pixels[:-1].tolist()
        for unit, pixels in counts.items()
        if scene_of_unit[unit] not in named
    }
    free = [split not in settings.named_scenes for split in SPLITS]
    train, val, test = (
        part if is_free else 0 for part, is_free in zip(settings.ratio, free, strict=True)
    )
    if train + val + test and settings.split_by == "area":
        result |= split_areas(rest, shapes, settings.size, (train, val, test))
    elif train + val + test:
        result |= _split_groups(rest, groups, scene_of_unit, (train, val, test), settings)
    elif rest:
        left = sorted({scene_of_unit[unit] for unit in rest})
        logger.warning("%d scenes are in no split: %s", len(left), _listed(left))
    _warn_divided_groups(result, groups, scene_of_unit)
    _warn_empty_splits(result, settings)
    return result


def _split_groups(
    pixels: Mapping[str, list[int]],
    groups: Mapping[str, str],
    scene_of_unit: Mapping[str, str],
    ratio: tuple[int, int, int],
    settings: TilingSettings,
) -> dict[str, str]:
    if settings.split_by != "scene" or not groups:
        return split_units(pixels, ratio, settings.seed)
    group_of = {unit: groups.get(scene_of_unit[unit], unit) for unit in pixels}
    sums: dict[str, list[int]] = {}
    for unit, counts in pixels.items():
        known = sums.setdefault(group_of[unit], [0] * len(counts))
        sums[group_of[unit]] = [one + other for one, other in zip(known, counts, strict=True)]
    split = split_units(sums, ratio, settings.seed)
    return {unit: split[group] for unit, group in group_of.items()}


def _warn_divided_groups(
    split: Mapping[str, str], groups: Mapping[str, str], scene_of_unit: Mapping[str, str]
) -> None:
    members: dict[str, set[str]] = {}
    splits: dict[str, set[str]] = {}
    for unit, name in split.items():
        scene = scene_of_unit[unit]
        if scene in groups:
            members.setdefault(groups[scene], set()).add(scene)
            splits.setdefault(groups[scene], set()).add(name)
    for group, scenes in members.items():
        if len(scenes) < 2:
            continue
        if len(splits[group]) > 1:
            logger.warning(
                "%s overlap on the ground and are in %s: scores on one split are too high",
                _listed(sorted(scenes)), " and ".join(sorted(splits[group])),
            )  # fmt: skip
        else:
            (one,) = splits[group]
            logger.warning(
                "%s overlap on the ground, so all go to %s (allow_overlap=True divides them)",
                _listed(sorted(scenes)), one,
            )  # fmt: skip


def _warn_empty_splits(result: Mapping[str, str], settings: TilingSettings) -> None:
    for split, part in zip(SPLITS, settings.ratio, strict=True):
        if split not in result.values() and part:
            unit = "scenes" if settings.split_by == "scene" else "tiles"
            hint = "; split_by=area divides each of them" if unit == "scenes" else ""
            logger.warning("the split %s is empty: there are too few %s%s", split, unit, hint)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
