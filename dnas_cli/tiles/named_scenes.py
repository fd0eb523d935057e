"""Splits with named scenes: the seed decides about the rest."""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dnas_cli.console import logger
from dnas_cli.datasets.path_patterns import safe_name
from dnas_cli.errors import UsageError
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.settings import TilingSettings
from dnas_cli.tiles.split import split_units


def check_named_scenes(settings: TilingSettings, known: set[str]) -> None:
    """Refuse names of scenes that do not exist.

    Args:
        settings: May name scenes.
        known: All scenes, also those that cannot be used.

    Raises:
        UsageError: A named scene does not exist; the message suggests the nearest.
    """
    for split, names in settings.scenes:
        for name in names:
            if safe_name(name) not in known:
                near = difflib.get_close_matches(safe_name(name), sorted(known), n=1)
                listed = ", ".join(sorted(known)[:12]) + (", ..." if len(known) > 12 else "")
                raise UsageError(
                    f"--{split}-scenes: no such scene {name!r}."
                    + (f" Did you mean {near[0]}?" if near else ""),
                    f"Scenes: {listed}.",
                )


def split_with_names(
    counts: Mapping[str, npt.NDArray[np.int64]],
    scene_of_unit: Mapping[str, str],
    settings: TilingSettings,
) -> dict[str, str]:
    """Put named scenes into their splits, and divide the others among the splits without names.

    If train, val and test all have names, the others are left out.

    Args:
        counts: Pixels per class (unlabelled last) of every unit: scene or block.
        scene_of_unit: The scene every unit belongs to.
        settings: Named scenes, ratio and seed.

    Returns:
        The split of every unit that is in one.
    """
    named = {safe_name(name): split for split, names in settings.scenes for name in names}
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
    if train + val + test:
        result |= split_units(rest, (train, val, test), settings.seed)
    elif rest:
        left = sorted({scene_of_unit[unit] for unit in rest})
        logger.warning("%d scenes are in no split: %s", len(left), _listed(left))
    _warn_empty_splits(result, settings)
    return result


def _warn_empty_splits(result: Mapping[str, str], settings: TilingSettings) -> None:
    for split, part in zip(SPLITS, settings.ratio, strict=True):
        if split not in result.values() and part:
            unit = "blocks" if settings.split_by == "block" else "scenes"
            hint = "" if settings.split_by == "block" else "; --split-by block divides scenes"
            logger.warning("the split %s is empty: there are too few %s%s", split, unit, hint)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
