"""Areas of classes by a probability sample of a map: the map alone counts its errors as well.

Source: Olofsson et al., "Good practices for estimating area and assessing accuracy of land change",
Remote Sensing of Environment 148, 2014, equations 9 to 11. The classes of the map are the strata.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError
from dnas_cli.files import read_text

_NORMAL = 1.96  # standard errors to either side: 95 %
_BY_MAP, _BY_REFERENCE = "map", "reference"  # what the rows of a table are


@dataclass(frozen=True)
class ErrorMatrix:
    """Counts of the units of a sample.

    Attributes:
        path: Where they come from.
        mapped: Names of the classes of the map, the rows.
        reference: Names of the classes that the units have in truth, the columns.
        counts: (rows, columns).
    """

    path: Path
    mapped: tuple[str, ...]
    reference: tuple[str, ...]
    counts: npt.NDArray[np.float64]

    def adjusted_shares(self, mapped: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        """Return the share of each reference class, and half of its interval of 95 %.

        Args:
            mapped: The share of each class in the map.

        Raises:
            DataError: Fewer than two units lie in a class that the map has.
        """
        shares = np.zeros(len(self.reference))
        variances = np.zeros(len(self.reference))
        for name, weight in mapped.items():
            if not weight:
                continue
            row = self.counts[self.mapped.index(name)] if name in self.mapped else np.zeros(1)
            units = row.sum()
            if units < 2:
                raise DataError(
                    f"{self.path}: has {units:.0f} units where the map has {name!r}.",
                    "A sample needs two or more units in every class of the map.",
                )
            found = row / units
            shares += weight * found
            variances += weight**2 * found * (1 - found) / (units - 1)
        return {
            name: (float(share), _NORMAL * math.sqrt(variance))
            for name, share, variance in zip(self.reference, shares, variances, strict=True)
        }


def read_error_matrix(path: Path, classes: Sequence[str]) -> ErrorMatrix:
    """Read counts of a sample from a table with names in its first row and column.

    The first cell says what the rows are: `map` or `reference`.

    Raises:
        DataError: It cannot be read, a name is no class, or a cell is no count.
    """
    text = read_text(path).removeprefix("\ufeff")
    table = [row for row in csv.reader(io.StringIO(text)) if any(row)]
    kind = table[0][0].strip().lower() if table and table[0] else ""
    if kind not in (_BY_MAP, _BY_REFERENCE):
        raise DataError(
            f"{path}: its first cell says {kind!r}.",
            "Write `map` if a row is a class of the map, `reference` if it is one of the truth.",
        )
    columns = [name.strip() for name in table[0][1:]]
    rows = [row[0].strip() for row in table[1:]]
    for name in (*columns, *rows):
        if name not in classes:
            raise DataError(f"{path}: {name!r} is no class of the map ({', '.join(classes)}).")
    if len({*columns}) < len(columns) or len({*rows}) < len(rows):
        raise DataError(f"{path}: a class occurs twice.")
    if not all(len(row) == len(table[0]) for row in table):
        raise DataError(f"{path}: has rows of other lengths than the first one.")
    counts = np.array([[_count(text, path) for text in row[1:]] for row in table[1:]], np.float64)
    if kind == _BY_REFERENCE:
        rows, columns, counts = columns, rows, counts.T
    return ErrorMatrix(path, tuple(rows), tuple(columns), counts)


def _count(text: str, path: Path) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise DataError(f"{path}: {text!r} is no count of units.") from error
    if value < 0:
        raise DataError(f"{path}: {text!r} is no count of units.")
    return value
