"""Areas of the classes of a map: pixels and square metres, of the whole and of zones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import UsageError
from dnas_cli.files import write_csv
from dnas_cli.mapping.error_matrix import ErrorMatrix
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.ground import pixel_areas
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Window
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.zones import Zone

WHOLE = "whole map"

_COUNTED = 64  # rows whose pixels are counted at once, with their areas


@dataclass(frozen=True)
class AreaOptions:
    """What the table of areas holds beside the whole map.

    Attributes:
        zones: A layer of polygons whose areas are counted as well.
        zone_field: Its attribute that names them.
        error_matrix: Counts of a probability sample of the map, for adjusted areas.
    """

    zones: Path | None = None
    zone_field: str | None = None
    error_matrix: Path | None = None

    def __post_init__(self) -> None:
        if self.zone_field is not None and self.zones is None:
            raise UsageError("zone_field=...: names zones; there are none.", "Give zones=FILE.")


@dataclass(frozen=True)
class Counted:
    """What a map holds of each value, in a zone or as a whole.

    Attributes:
        pixels: (256,) by value.
        square_metres: (256,) likewise, geodesic; None where the map lies nowhere.
    """

    name: str
    pixels: npt.NDArray[np.int64]
    square_metres: npt.NDArray[np.float64] | None


def count_classes(
    indices: Rows, place: Georeference, zones: Sequence[Zone] = ()
) -> tuple[Counted, ...]:
    """Count the whole map, then each zone; a pixel belongs to a zone where its centre lies in it.

    Memory holds a few rows. Zones of one name are one; a pixel in two zones counts in both.
    """
    names = [None, *dict.fromkeys(zone.name for zone in zones)]
    pixels = {name: np.zeros(256, np.int64) for name in names}
    areas = {name: np.zeros(256) for name in names}
    has_place = True
    for row in range(0, indices.height, _COUNTED):
        rows = indices.read(row, min(row + _COUNTED, indices.height))[0]
        ground = pixel_areas(place, row, *rows.shape) if has_place else None
        has_place = ground is not None
        for name, part in _parts(zones, row, rows.shape):
            values = rows[part].ravel()
            pixels[name] += np.bincount(values, minlength=256)
            if ground is not None:
                areas[name] += np.bincount(values, ground[part].ravel(), minlength=256)
    return tuple(
        Counted(WHOLE if name is None else name, pixels[name], areas[name] if has_place else None)
        for name in names
    )


def _parts(
    zones: Sequence[Zone], row: int, shape: tuple[int, int]
) -> Iterator[tuple[str | None, Any]]:
    """Yield what belongs to the whole map and to each zone, of the rows from `row` on."""
    yield None, ...
    for zone in zones:
        window = zone.within(Window(row, 0, *shape))
        if window is not None:
            belongs = np.zeros(shape, np.bool_)
            across = slice(window.column, window.column + window.width)
            belongs[:, across] = zone.outline.covers(window)
            yield zone.name, belongs


def write_areas(
    target: Path,
    counted: Sequence[Counted],
    classes: Sequence[LandClass],
    error_matrix: ErrorMatrix | None,
) -> None:
    """Write a row per zone and class: pixels, share of those with data, hectares.

    With an error matrix, the rows of the whole map also have the share and the hectares that the
    sample gives a class, and half of their intervals of 95 %; empty for a class that the sample
    never found.

    Raises:
        DataError: The error matrix says too little of a class that the map has.
    """
    head = ["zone", "class", "pixels", "share", "hectares"]
    if error_matrix is not None:
        head += ["adjusted_share", "ci95_share", "adjusted_hectares", "ci95_hectares"]
    table: list[list[object]] = [[*head]]
    for region, found in enumerate(counted):
        weights = found.pixels if found.square_metres is None else found.square_metres
        total, pixels = float(weights[:IGNORE].sum()), int(found.pixels[:IGNORE].sum())
        adjusted: dict[str, tuple[float, float]] = {}
        if error_matrix is not None and not region and total:
            mapped = {item.name: float(weights[i]) / total for i, item in enumerate(classes)}
            adjusted = error_matrix.adjusted_shares(mapped)
        for index, item in enumerate(classes):
            share = found.pixels[index] / pixels if pixels else 0.0
            hectares = "" if found.square_metres is None else _number(weights[index] / 1e4)
            row: list[object] = [found.name, item.name, int(found.pixels[index])]
            row += [f"{share:.6f}", hectares]
            if error_matrix is not None:
                row += _adjusted(adjusted.get(item.name), total, found.square_metres is not None)
            table.append(row)
    write_csv(target, table)


def _adjusted(share: tuple[float, float] | None, total: float, has_place: bool) -> list[str]:
    if share is None:
        return [""] * 4
    hectares = [_number(value * total / 1e4) if has_place else "" for value in share]
    return [*(f"{value:.6f}" for value in share), *hectares]


def _number(value: float) -> str:
    return f"{value:.4f}"
