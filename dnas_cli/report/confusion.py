"""Confusion matrices as a spreadsheet and as a picture."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dnas_cli.files import atomic_path, write_text
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.scenes.palette import LandClass

_UNPREDICTED = "(none)"


def write_confusion_csv(path: Path, matrix: ConfusionMatrix, classes: Sequence[LandClass]) -> None:
    """Write the pixel counts: a row per labelled class, a column per predicted one."""
    table, names = _table(matrix, classes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label \\ prediction", *names])
    for land_class, row in zip(classes, table.tolist(), strict=True):
        writer.writerow([land_class.name, *row])
    write_text(path, text.getvalue())


def write_confusion_png(
    path: Path, matrix: ConfusionMatrix, classes: Sequence[LandClass], title: str
) -> None:
    """Draw the percentages of each labelled class that were predicted as each class."""
    table, names = _table(matrix, classes)
    totals = table.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * table, totals, out=np.zeros(table.shape), where=totals > 0)
    rows, columns = shares.shape

    cell = 0.62 if columns <= 8 else 0.46  # inches
    longest = max(len(name) for name in names)
    margin = 0.6 + 0.085 * longest
    figure = Figure(
        figsize=(cell * columns + margin + 0.5, cell * rows + margin + 0.9), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    size = 9.5 if columns <= 8 else 7.5
    for row in range(rows):
        for column in range(columns):
            axes.text(
                column,
                row,
                _cell_text(shares[row, column], bool(totals[row, 0])),
                ha="center",
                va="center",
                fontsize=size,
                color="white" if shares[row, column] > 55 else "#202020",
            )
    axes.set_xticks(range(columns), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(rows), [item.name for item in classes])
    axes.tick_params(length=0, labelsize=size + 0.5)
    axes.tick_params("x", pad=0.62 * cell * 72)  # room for the swatches
    axes.tick_params("y", pad=0.5 * cell * 72)
    for index, land_class in enumerate(classes):
        _swatch(axes, (-0.84, index - 0.16), land_class)
        _swatch(axes, (index - 0.16, rows - 0.5 + 0.18), land_class)
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled")
    axes.set_title(f"{title}\nshares of each labelled class in %", fontsize=10)
    axes.spines[:].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=144, format="png")


def _table(
    matrix: ConfusionMatrix, classes: Sequence[LandClass]
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return the counts and the names of the columns; the last is for pixels without prediction."""
    names = [land_class.name for land_class in classes]
    if not matrix.unpredicted.any():
        return matrix.counts, names
    table = np.concatenate([matrix.counts, matrix.unpredicted[:, None]], axis=1)
    return table, [*names, _UNPREDICTED]


def _cell_text(share: float, labelled: bool) -> str:
    if not labelled:
        return "-"
    if share == 0:
        return ""
    return "<1" if share < 0.5 else f"{share:.0f}"


def _swatch(axes: Any, corner: tuple[float, float], land_class: LandClass) -> None:
    """Show a class's colour between its name and the matrix."""
    patch = Rectangle(
        corner,
        0.32,
        0.32,
        facecolor="#{:02x}{:02x}{:02x}".format(*land_class.colour),
        edgecolor="#808080",
        linewidth=0.4,
        clip_on=False,
    )
    axes.add_patch(patch)
