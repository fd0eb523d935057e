"""What a dataset description says of vector labels."""

from dataclasses import replace
from typing import Any

from dnas_cli.datasets.description_values import number_of, text_of
from dnas_cli.errors import DataError
from dnas_cli.scenes.label_encoding import LabelEncoding, tile_encoding
from dnas_cli.scenes.vector_encoding import VectorEncoding
from dnas_cli.scenes.vector_labels import is_vector

VECTOR_KEYS = (
    "path", "layer", "class_field", "values", "all_touched", "order", "buffer", "background",
)  # fmt: skip


def is_vector_labels(labels: Any) -> bool:
    """Whether what a description says under `labels` are vector layers."""
    path = labels.get("path") if isinstance(labels, dict) else labels
    paths = path if isinstance(path, list) else [path]
    return any(isinstance(item, str) and is_vector(item) for item in paths)


def has_values(classes: Any) -> bool:
    """Whether classes are given with their stored values."""
    entries = classes.values() if isinstance(classes, dict) else classes
    return any(isinstance(entry, dict) and "value" in entry for entry in entries)


def vector_encoding(labels: Any, encoding: LabelEncoding, valued: bool) -> LabelEncoding:
    """Return how features say their class, and rasters the same classes: by index.

    Args:
        labels: What the description says under `labels`.
        encoding: The classes, with their values.
        valued: Whether the description gives these values; the attribute holds them then.

    Raises:
        DataError: A key has a wrong value.
    """
    said = labels if isinstance(labels, dict) else {}
    names = [item.name for item in encoding.classes]
    background = _class_named(said["background"], names) if "background" in said else None
    values = tuple((str(value), index) for value, index in encoding.class_of_value.items())
    listed = said.get("values", {})
    if not isinstance(listed, dict):
        raise DataError("`labels: values` must name a class for each text of `class_field`.")
    values = tuple((str(text), _class_named(name, names)) for text, name in listed.items()) or (
        values if valued else ()
    )
    field = text_of(said["class_field"], "labels: class_field") if "class_field" in said else None
    shown = [index for index in range(len(names)) if index != background]
    if field is None and len(shown) != 1:
        raise DataError(
            f"`labels` has no `class_field`, which says the class of a feature; there are "
            f"{len(shown)} classes."
        )
    touched = said.get("all_touched", False)
    if not isinstance(touched, bool):
        raise DataError("`labels: all_touched` must be true or false.")
    buffer = number_of(said.get("buffer", 0), "labels: buffer")
    if buffer < 0:
        raise DataError("`labels: buffer` must not be negative.")
    vector = VectorEncoding(
        layer=text_of(said["layer"], "labels: layer") if "layer" in said else None,
        class_field=field,
        values=values,
        only=shown[0] if shown else 0,
        background=background,
        all_touched=touched,
        order=text_of(said["order"], "labels: order") if "order" in said else None,
        buffer=buffer,
    )
    return replace(tile_encoding(encoding.classes), vector=vector)


def _class_named(name: Any, names: list[str]) -> int:
    if name not in names:
        raise DataError(f"`labels` names the class {name!r}, which `classes` does not have.")
    return names.index(name)
