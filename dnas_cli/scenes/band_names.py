"""The names of a raster's bands, and the bands that a user selects."""

import re
from collections.abc import Sequence
from typing import Any

from rasterio.enums import ColorInterp

from dnas_cli.errors import DataError, UsageError

_UNNAMED = {ColorInterp.undefined, ColorInterp.gray, ColorInterp.grey, ColorInterp.palette}
_LENGTH = re.compile(
    r"(?<![\w.])(\d+(?:\.\d+)?)\s*(nm|nanomet\w+|um|µm|μm|micromet\w+)?\b", re.IGNORECASE
)
_MICROMETRES = 10.0  # a wavelength without a unit that is below is in micrometres
_NUMBERED = re.compile(r"(?:band|layer|channel)[ _-]*0*(\d+)", re.IGNORECASE)


def band_names(dataset: Any, numbers: Sequence[int]) -> list[str]:
    """Name bands by description, else by colour, else by number; by number if names repeat.

    A description such as `Band 3` or `Layer_3` counts as the number 3.

    Args:
        dataset: An open rasterio dataset.
        numbers: 1-based numbers of the bands.
    """
    names, descriptions = [], descriptions_of(dataset)
    for number in numbers:
        description = (descriptions[number - 1] or "").strip()
        counted = _NUMBERED.fullmatch(description)
        if counted and int(counted[1]) == number:
            description = ""
        meaning = dataset.colorinterp[number - 1]
        colour = "" if meaning in _UNNAMED else meaning.name.lower()
        names.append(description or colour or str(number))
    if len({name.lower() for name in names}) < len(names):
        return [str(number) for number in numbers]
    return names


def descriptions_of(dataset: Any) -> tuple[str | None, ...]:
    """Return the descriptions of all bands; none where one is no UTF-8, which rasterio demands."""
    try:
        return tuple(dataset.descriptions)
    except UnicodeDecodeError:
        return (None,) * int(dataset.count)


def wavelength(dataset: Any, number: int, name: str) -> float | None:
    """Return the nanometres of a band: as its metadata have them, or its name (`665 nm`)."""
    tags = {key.lower(): value for key, value in dataset.tags(number).items()}
    imagery = dataset.tags(number, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM")
    if imagery is not None:
        return _nanometres(f"{imagery} um")
    if "wavelength" in tags:
        return _nanometres(f"{tags['wavelength']} {tags.get('wavelength_units', '')}")
    lengths = [found[0] for found in _LENGTH.finditer(name) if found[2]]
    return _nanometres(lengths[0]) if lengths else None


def _nanometres(text: str) -> float | None:
    found = _LENGTH.match(text.strip())
    if found is None:
        return None
    length, unit = float(found[1]), (found[2] or "").lower()
    in_micrometres = unit[:1] in ("u", "µ", "μ", "m") if unit else length < _MICROMETRES
    return length * 1000 if in_micrometres else length


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
        alpha: Number of the alpha band, which can be selected by number.
        wanted: Names or 1-based numbers; all except alpha when missing.

    Raises:
        DataError: A wanted band does not exist.
        UsageError: No band is wanted.
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
            raise DataError(
                f"{path}: has no band {str(band)!r}.",
                f"It has {len(names)}: {', '.join(names)}; "
                f"or give numbers from 1 to {max(*numbers, alpha or 0)}.",
            )
    if not chosen:
        raise UsageError(f"{path}: no band is selected.", "Name at least one band.")
    return chosen
