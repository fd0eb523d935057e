"""What label files hold, looked through before they are used: how they are all to be read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dnas_cli.console import logger
from dnas_cli.errors import DataError
from dnas_cli.scenes.label_encoding import (
    BLACK,
    LabelEncoding,
    colour_encoding,
    grey_encoding,
    shift_advice,
)
from dnas_cli.scenes.labels import LabelRaster, open_any_label
from dnas_cli.scenes.palette import Colour, LandClass
from dnas_cli.scenes.placed_labels import PlacedLabels
from dnas_cli.scenes.vector_files import is_vector

_LOOKED_AT = 30  # files, evenly spaced, whose values show how all are written; 59 at most
_MOST_VALUES = 10_000  # of a file; more are no classes


@dataclass
class _Survey:
    """What some label files hold together, unlabelled pixels left out.

    Attributes:
        values: Values of grey and palette files, with their pixels.
        greys: Values of grey files as the grey that a viewer shows.
        has_colours: Whether any file holds colours: red, green, blue or a palette.
        has_grey: Whether any file is grey.
        is_picture: Whether any file has bands of red, green and blue.
    """

    values: Counter[float] = field(default_factory=Counter)
    greys: set[int] = field(default_factory=set)
    colours: set[Colour] = field(default_factory=set)
    has_colours: bool = False
    has_grey: bool = False
    is_picture: bool = False


def settled_encoding(
    encoding: LabelEncoding, paths: Sequence[str | Path], described: bool = True
) -> LabelEncoding:
    """Decide, by what label files hold, what an encoding leaves open: one answer for all of them.

    Args:
        encoding: By the dataset description or the model.
        paths: The label rasters; of many, some are looked at. Those that cannot be read are left
            to whoever opens them next.
        described: Whether the encoding was written for these files; if not, index labels may turn
            out to be colours.

    Returns:
        The encoding that all are read with.

    Raises:
        DataError: Every class would be taken for another one; says which `first_value` is meant.
    """
    survey = _Survey()
    rasters = [path for path in dict.fromkeys(paths) if not is_vector(path)]
    for path in rasters[:: max(1, len(rasters) // _LOOKED_AT)]:
        try:
            _look(path, encoding.classes, survey)
        except DataError:
            continue
    if encoding.kind == "colour":
        if not survey.has_grey:
            return encoding
        return grey_encoding(encoding, survey.values, survey.greys, survey.has_colours)
    if not described and _are_class_colours(survey, encoding):
        return colour_encoding(encoding.classes)
    advice, certain = shift_advice(encoding, survey.values)
    if certain:
        raise DataError(f"{paths[0]}: {advice}.", "Correct the dataset description.")
    if advice:
        logger.warning("%s", advice)
    return encoding


def too_many_unknown(label: LabelRaster | PlacedLabels, share: float, limit: float) -> str:
    """Say what the unknown pixels of a label are and what to do about them."""
    encoding, most = label.encoding, label.unknown_values()
    kind = "colour" if encoding.kind == "colour" else "value"
    said = f"{share:.1%} of the label has the {kind} of no class ({most}); at most {limit:.1%} may"
    advice = ""
    if encoding.kind == "index" and not is_vector(label.path):
        survey = _Survey()
        _look(label.path, encoding.classes, survey)
        advice, _ = shift_advice(encoding, survey.values)
    return f"{said}. " + (advice or f"Add the {kind} to `classes` or to `ignore`")


def _look(path: str | Path, classes: tuple[LandClass, ...], survey: _Survey) -> None:
    with open_any_label(path, classes) as label:
        survey.has_grey |= label.form == "grey"
        survey.has_colours |= label.form in ("palette", "colour")
        survey.is_picture |= label.form == "colour"
        if label.form not in ("grey", "palette"):
            return
        found: Counter[float] = Counter()
        for window in label.windows():
            stored, valid = label.stored(window)
            values, counts = np.unique(stored[valid], return_counts=True)
            found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
            if len(found) > _MOST_VALUES:
                break
        survey.values.update(found)
        if label.dataset.dtypes[0] != "uint8":  # -1 is no grey of a picture
            survey.greys |= {int(value) if value in range(256) else -1 for value in found}
            return
        shown = label.shown(np.array([sorted(found)], np.uint8))[0].tolist()
        if label.form == "grey":
            survey.greys |= {grey for grey, _, _ in shown}
        else:
            survey.colours |= {(red, green, blue) for red, green, blue in shown}


def _are_class_colours(survey: _Survey, encoding: LabelEncoding) -> bool:
    """Whether files for which index labels were expected hold the colours of the classes."""
    if survey.is_picture:
        return True
    return bool(survey.colours) and survey.colours <= {*encoding.class_of_colour, BLACK}
