"""A scene, its labels and its map in one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dnas_cli.files import atomic_path
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.palette import LandClass, palette_table

_PANEL = 4.2  # inches
_UNLABELLED = (0, 0, 0)


def write_side_by_side(
    path: Path,
    scene: npt.NDArray[Any],
    panels: Sequence[tuple[str, npt.NDArray[np.uint8]]],
    classes: tuple[LandClass, ...],
    title: str,
) -> None:
    """Write a PNG of a scene beside class indices of the same area, with a legend.

    Args:
        path: The picture; replaced atomically.
        scene: (3, H, W) red, green, blue in any unit; stretched to its 2nd to 98th percentile, all
            bands alike.
        panels: Title and (H, W) class indices of every other panel.
        classes: The classes; position is the index.
        title: Of the whole picture.
    """
    height, width = scene.shape[1:]
    count = 1 + len(panels)
    figure = Figure(figsize=(_PANEL * count, _PANEL * height / width + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    pictures = [("scene", _stretched(scene))]
    pictures += [(name, palette_table(classes)[indices]) for name, indices in panels]
    for number, (name, picture) in enumerate(pictures, start=1):
        axes = figure.add_subplot(1, count, number)
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(name, fontsize=11)
        axes.set_axis_off()
    figure.suptitle(title, fontsize=12)
    figure.legend(
        handles=_legend(classes, any((indices == IGNORE).any() for _, indices in panels)),
        loc="outside lower center",
        ncols=min(len(classes) + 1, 8),
        frameon=False,
        fontsize=10,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=128, format="png")


def _legend(classes: tuple[LandClass, ...], with_unlabelled: bool) -> list[Patch]:
    entries = [(item.name, item.colour) for item in classes]
    if with_unlabelled:
        entries.append(("unlabelled", _UNLABELLED))
    return [
        Patch(
            facecolor="#{:02x}{:02x}{:02x}".format(*colour),
            edgecolor="#606060",
            linewidth=0.5,
            label=name,
        )
        for name, colour in entries
    ]


def _stretched(scene: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) 8-bit colours between the 2nd and 98th percentile of all bands."""
    values = scene.astype(np.float32)
    low, high = np.percentile(values, (2, 98))
    shares = (values - low) / max(float(high - low), 1e-6)
    return np.asarray(255 * np.clip(shares, 0, 1), np.uint8).transpose(1, 2, 0)
