"""What a dataset description says of vector labels."""

from dataclasses import dataclass, field, replace
from typing import Any

from dnas_cli.datasets.description_values import number_of, text_of
from dnas_cli.errors import DataError
from dnas_cli.files import nfc
from dnas_cli.scenes.label_encoding import LabelEncoding, tile_encoding
from dnas_cli.scenes.vector_encoding import VectorEncoding
from dnas_cli.scenes.vector_files import is_vector
from dnas_cli.typed_fields import option


@dataclass(frozen=True)
class VectorKeys:
    """What a description says under `labels` of vector layers."""

    path: Any = None
    layer: str | None = None
    class_field: str | None = None
    values: dict[Any, Any] = field(default_factory=dict)
    all_touched: bool = False
    order: str | None = None
    buffer: float = option(0.0, at_least=0)
    background: str | None = None


def is_vector_labels(labels: Any) -> bool:
    """Whether what a description says under `labels` are vector layers."""
    path = labels.get("path") if isinstance(labels, dict) else labels
    paths = path if isinstance(path, list) else [path]
    return any(isinstance(item, str) and is_vector(item) for item in paths)


def has_values(classes: Any) -> bool:
    """Whether classes are given with their stored values."""
    entries = classes.values() if isinstance(classes, dict) else classes
    return any(isinstance(entry, dict) and "value" in entry for entry in entries)


def vector_encoding(keys: VectorKeys, encoding: LabelEncoding, valued: bool) -> LabelEncoding:
    """Return how features say their class, and rasters the same classes: by index.

    Args:
        keys: What the description says under `labels`.
        encoding: The classes, with their values.
        valued: Whether the description gives these values; the attribute holds them then.

    Raises:
        DataError: A key has a wrong value.
    """
    names = [item.name for item in encoding.classes]
    background = None if keys.background is None else _class_named(keys.background, names)
    stored = encoding.class_of_value.items() if valued else ()
    listed = [(text, _class_named(name, names)) for text, name in keys.values.items()]
    shown = [index for index in range(len(names)) if index != background]
    if keys.class_field is None and len(shown) != 1:
        raise DataError(
            f"`labels` has no `class_field`, which says the class of a feature; there are "
            f"{len(shown)} classes."
        )
    for key in ("class_field", "layer", "order"):
        if getattr(keys, key) is not None:
            text_of(getattr(keys, key), f"labels: {key}")
    vector = VectorEncoding(
        layer=keys.layer,
        class_field=keys.class_field,
        values=tuple((str(value), index) for value, index in listed or stored),
        only=shown[0] if shown else 0,
        background=background,
        all_touched=keys.all_touched,
        order=keys.order,
        buffer=number_of(keys.buffer, "labels: buffer"),
    )
    return replace(tile_encoding(encoding.classes), vector=vector)


def _class_named(name: Any, names: list[str]) -> int:
    text = nfc(name) if isinstance(name, str) else name
    if text not in names:
        raise DataError(f"`labels` names the class {name!r}, which `classes` does not have.")
    return names.index(text)
