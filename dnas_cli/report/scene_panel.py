"""A scene beside what a model makes of it: image, labels, map, errors and confidence."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from dnas_cli.evaluation.tile_scores import Look
from dnas_cli.files import write_bytes
from dnas_cli.report.pictures import (
    Picture,
    class_picture,
    confidence_picture,
    contact_sheet,
    error_picture,
)
from dnas_cli.scenes.overlay import natural_colours
from dnas_cli.scenes.palette import LandClass

_SIDE = 360  # pixels of a picture


def look_pictures(
    look: Look, classes: Sequence[LandClass], bands: Sequence[str]
) -> list[tuple[str, Picture]]:
    """Return the pictures of a look with their names."""
    return [
        ("image", natural_colours(look.image, look.valid, bands)),
        ("truth", class_picture(look.truth, classes)),
        ("map", class_picture(look.predicted, classes)),
        ("errors", error_picture(look.truth, look.predicted)),
        ("confidence", confidence_picture(look.confidence)),
    ]


def write_panel(
    path: Path, name: str, look: Look, classes: Sequence[LandClass], bands: Sequence[str]
) -> None:
    """Write the pictures of a look side by side as a PNG, with a legend; replaced atomically."""
    pictures = [
        (f"{what} of {name}" if what == "image" else what, picture)
        for what, picture in look_pictures(look, classes, bands)
    ]
    content = BytesIO()
    contact_sheet(pictures, classes, len(pictures), _SIDE).save(content, format="PNG")
    write_bytes(path, content.getvalue())
