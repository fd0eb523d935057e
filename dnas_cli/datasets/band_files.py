"""Bands of a scene in several files: where each one is, and which files belong together."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dnas_cli.datasets.description_values import names_of, text_of
from dnas_cli.datasets.path_patterns import Pattern
from dnas_cli.errors import DataError
from dnas_cli.scenes.scene_files import BandFile, split_variable


@dataclass(frozen=True)
class BandPattern:
    """Where a band is.

    Attributes:
        band: Its name.
        text: As the description has it.
        pattern: The paths of its files.
        variable: The variable of NetCDF and HDF5 files.
        number: Its number in the files, from 1.
    """

    band: str
    text: str
    pattern: Pattern
    variable: str
    number: int


def read_band_patterns(value: dict[Any, Any]) -> tuple[BandPattern, ...]:
    """Read `bands` as a mapping: `red: "{scene}_B04.tif"`, `nir: "{scene}.nc:B08"`.

    A number after a colon is that of a band: `"{scene}.tif:4"`.

    Raises:
        DataError: A name or pattern is invalid, or a pattern has parts that the first one lacks.
    """
    patterns = []
    for band, text in zip(names_of(list(value), "bands"), value.values(), strict=True):
        path, variable = split_variable(text_of(text, f"bands: {band}"))
        numbered = None if variable else re.fullmatch(r"(.+):(\d{1,4})", path)
        path, number = (numbered[1], int(numbered[2])) if numbered else (path, 1)
        patterns.append(BandPattern(band, text, Pattern(path), variable, number))
    if not patterns:
        raise DataError("`bands` is empty.")
    first = patterns[0].pattern
    for other in patterns:
        extra = [name for name in other.pattern.names if name not in first.names]
        if extra:
            raise DataError(
                f"`bands: {other.band}` names {{{extra[0]}}}, which `bands: {patterns[0].band}` "
                "does not have; they could not be paired."
            )
    return tuple(patterns)


class BandIndex:
    """The files of all bands of a dataset by their named parts."""

    def __init__(self, patterns: Sequence[BandPattern], files: Sequence[str]) -> None:
        self._patterns = patterns
        self._found: list[dict[tuple[str, ...], list[str]]] = []
        for item in patterns:
            by_names: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for parts, path in item.pattern.matches(files):
                by_names[tuple(parts.values())].append(path)
            self._found.append(by_names)

    def parts_of(self, names: dict[str, str], image: str) -> tuple[BandFile, ...]:
        """Return the bands of the scene whose first band is in `image`, with these named parts.

        Raises:
            DataError: A band has no file, or several.
        """
        bands = []
        for number, (item, by_names) in enumerate(zip(self._patterns, self._found, strict=True)):
            wanted = tuple(names[name] for name in item.pattern.names)
            paths = [image] if number == 0 else by_names.get(wanted, [])
            if len(paths) != 1:
                said = f"{len(paths)} files ({', '.join(paths[:3])})" if paths else "no file"
                raise DataError(f"has {said} for the band {item.band!r} ({item.text}).")
            bands.append(BandFile((item.band,), paths[0], item.variable, item.number))
        return tuple(bands)
