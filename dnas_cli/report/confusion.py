"""Confusion matrices as a spreadsheet and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import get_data_path
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from dnas_cli.files import atomic_path, write_csv
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.scenes.fonts import can_draw, font_for
from dnas_cli.scenes.palette import LandClass

_UNPREDICTED = "(none)"
_PLAIN = "fonts/ttf/DejaVuSans.ttf"
_MOST_NAMED = 40  # classes whose names and shares are written out
_LARGEST = 18.4  # inches: 40 cells


def write_confusion_csv(path: Path, matrix: ConfusionMatrix, classes: Sequence[LandClass]) -> None:
    """Write the pixel counts: a row per labelled class, a column per predicted one."""
    table, names = _table(matrix, classes)
    rows = [[item.name, *row] for item, row in zip(classes, table.tolist(), strict=True)]
    write_csv(path, [["label \\ prediction", *names], *rows])


def write_confusion_png(
    path: Path, matrix: ConfusionMatrix, classes: Sequence[LandClass], title: str
) -> None:
    """Draw the percentages of each labelled class that were predicted as each class."""
    figure = _figure(matrix, classes, title)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=144, format="png")


def confusion_picture(
    matrix: ConfusionMatrix, classes: Sequence[LandClass], title: str
) -> npt.NDArray[np.uint8]:
    """Return the picture of `write_confusion_png` as (H, W, 3) colours."""
    figure = _figure(matrix, classes, title)
    figure.set_dpi(100)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _figure(matrix: ConfusionMatrix, classes: Sequence[LandClass], title: str) -> Figure:
    table, names = _table(matrix, classes)
    totals = table.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * table, totals, out=np.zeros(table.shape), where=totals > 0)
    font, names = font_for(names, Path(get_data_path()) / _PLAIN)
    rows, columns = shares.shape

    # Inches. Beyond some classes nobody reads numbers; the picture stays as large as it is then.
    cell_size = 0.62 if columns <= 8 else min(0.46, _LARGEST / columns)
    margin = 0.6 + 0.085 * max(len(name) for name in names)
    figure = Figure(
        figsize=(cell_size * columns + margin + 0.5, cell_size * rows + margin + 0.9),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    size = 9.5 if columns <= 8 else 7.5
    # What a class is called is text; `$` would begin a formula.
    name: dict[str, Any] = {
        "parse_math": False,
        "fontproperties": FontProperties(fname=font, size=size + 0.5),
    }
    step = -(-columns // _MOST_NAMED)
    axes.set_xticks(
        range(0, columns, step), names[::step], rotation=45, ha="right", rotation_mode="anchor",
        **name,
    )  # fmt: skip
    axes.set_yticks(range(0, rows, step), names[:rows:step], **name)
    axes.tick_params(length=0)
    if step == 1:
        _write_shares(axes, shares, totals[:, 0] > 0, size)
        axes.tick_params("x", pad=0.62 * cell_size * 72)  # room for the swatches
        axes.tick_params("y", pad=0.5 * cell_size * 72)
        for index, land_class in enumerate(classes):
            _swatch(axes, (-0.84, index - 0.16), land_class)
            _swatch(axes, (index - 0.16, rows - 0.5 + 0.18), land_class)
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled")
    axes.set_title(
        f"{_drawn_title(title)}\nshares of each labelled class in %", fontsize=10, parse_math=False
    )
    axes.spines[:].set_visible(False)
    return figure


def _write_shares(
    axes: Any, shares: npt.NDArray[np.float64], labelled: npt.NDArray[np.bool_], size: float
) -> None:
    """Write every share into its cell."""
    for (row, column), share in np.ndenumerate(shares):
        axes.text(
            column,
            row,
            _cell_text(share, bool(labelled[row])),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if share > 55 else "#202020",
        )


def _drawn_title(title: str) -> str:
    """Return a title as the plain font can draw it: the name of a folder is of any script."""
    drawn = can_draw(Path(get_data_path()) / _PLAIN, title)
    return title if drawn else title.encode("ascii", "replace").decode()


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
