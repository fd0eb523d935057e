"""The names of a raster's bands, and the bands that a user selects."""

import re
from collections.abc import Sequence
from typing import Any

from rasterio.enums import ColorInterp

from dnas_cli.errors import UsageError

_UNNAMED = {ColorInterp.undefined, ColorInterp.gray, ColorInterp.grey, ColorInterp.palette}
_NUMBERED = re.compile(r"(?:band|layer|channel)[ _-]*0*(\d+)", re.IGNORECASE)


def band_names(dataset: Any, numbers: Sequence[int]) -> list[str]:
    """Name bands by description, else by colour, else by number; by number if names repeat.

    A description such as `Band 3` or `Layer_3` counts as the number 3.

    Args:
        dataset: An open rasterio dataset.
        numbers: 1-based numbers of the bands.
    """
    names = []
    for number in numbers:
        description = (dataset.descriptions[number - 1] or "").strip()
        counted = _NUMBERED.fullmatch(description)
        if counted and int(counted[1]) == number:
            description = ""
        meaning = dataset.colorinterp[number - 1]
        colour = "" if meaning in _UNNAMED else meaning.name.lower()
        names.append(description or colour or str(number))
    if len({name.lower() for name in names}) < len(names):
        return [str(number) for number in numbers]
    return names


def alpha_band(dataset: Any) -> int | None:
    """Return the number of a file's alpha band, if it has one."""
    for index, meaning in zip(dataset.indexes, dataset.colorinterp, strict=True):
        if meaning == ColorInterp.alpha and dataset.count > 1:
            return int(index)
    return None


def select_bands(
    path: str,
    numbers: list[int],
    names: list[str],
    alpha: int | None,
    wanted: Sequence[str | int] | None,
) -> list[int]:
    """Return the 1-based numbers of the wanted bands, in the order they are wanted.

    Args:
        path: The file, for messages.
        numbers: Its bands except alpha.
        names: Their names.
        alpha: Number of the alpha band, which can be selected by number.
        wanted: Names or 1-based numbers; all except alpha when missing.

    Raises:
        UsageError: A wanted band does not exist.
    """
    if wanted is None:
        return numbers
    lowered = [name.lower() for name in names]
    chosen = []
    for band in wanted:
        text = str(band).strip().lower()
        if isinstance(band, str) and text in lowered:
            chosen.append(numbers[lowered.index(text)])
        elif text.isdecimal() and int(text) in (*numbers, alpha):
            chosen.append(int(text))
        else:
            raise UsageError(
                f"{path}: has no band {str(band)!r}.",
                f"It has {len(names)}: {', '.join(names)}; "
                f"or give numbers from 1 to {max(*numbers, alpha or 0)}.",
            )
    if not chosen:
        raise UsageError(f"{path}: no band is selected.", "Name at least one band.")
    return chosen
