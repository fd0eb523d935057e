"""The cost that a search aims at: its target, and the table that costs are read from."""

import re
from dataclasses import dataclass
from itertools import islice
from statistics import mean

from dnas_cli.errors import UsageError
from dnas_cli.nets.cost_table import CostTable
from dnas_cli.nets.network import NetworkShape
from dnas_cli.run.directory import Run
from dnas_cli.run.settings import SearchSettings
from dnas_cli.space.random_architectures import random_architectures
from dnas_cli.stages.lattice_costs import LatticeCosts
from dnas_cli.stages.measure import measured_times
from dnas_cli.tiles.tile_set import TileSet

_DRAWS = 32  # random architectures that a relative target is a multiple of the mean of
_NANOSECONDS = 1_000_000  # per millisecond
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclass(frozen=True)
class CostTarget:
    """A largest cost, in the unit of its table."""

    table: CostTable
    cost: int


def cost_target(run: Run, tiles: TileSet, settings: SearchSettings) -> CostTarget | None:
    """Return the target of a search; None if it has none.

    Times are measured on this device if the run does not hold them yet.

    Raises:
        UsageError: The target is not written as one.
        DataError: The run's times are damaged, or of another network.
    """
    shape = NetworkShape(
        run.manifest.width, len(tiles.bands), len(tiles.classes), head=settings.head
    )
    if settings.target_macs:
        table = LatticeCosts(shape, tiles.tile_size)
        return CostTarget(table, macs_of(settings.target_macs, table, run.manifest.layers))
    if settings.target_ms:
        times = measured_times(run, shape, tiles.tile_size)
        return CostTarget(times, int(settings.target_ms * _NANOSECONDS))
    return None


def macs_of(text: str, table: CostTable, layers: int) -> int:
    """Return multiply-accumulates of `4G`, `250M`, `1e9`, or of `0.5x` the mean of random ones.

    Args:
        text: The target.
        table: Costs of parts.
        layers: Of the network.

    Raises:
        UsageError: It is none of these.
    """
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?) ?([KMGTx]?)", text.strip())
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if found is None or not 0 < number < 1e18:
        raise UsageError(f"target_macs={text:.40}: is not a number like 4G, 250M or 0.5x.")
    if found[2] != "x":
        return int(number * _UNITS[found[2]])
    drawn = islice(random_architectures(layers, 0), _DRAWS)
    return int(number * mean(map(table.of_coding, drawn)))
