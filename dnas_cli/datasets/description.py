"""Dataset descriptions: where scenes and labels are, how they pair, bands, classes, colours.

A description is a small YAML file (`docs/datasets.md`); `gid5`, `gid15` and `fbp` are built in. An
unknown key is an error that names the nearest known one.
"""

import math
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from dnas_cli.datasets.band_files import BandPattern, read_band_patterns
from dnas_cli.datasets.description_values import (
    colour_of,
    group_classes,
    names_of,
    number_of,
    numbers_of,
    read_classes,
    text_of,
)
from dnas_cli.datasets.path_patterns import Pattern, placeholders
from dnas_cli.datasets.vector_description import (
    VectorKeys,
    has_values,
    is_vector_labels,
    vector_encoding,
)
from dnas_cli.errors import DataError
from dnas_cli.files import read_text
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.palette import Colour, LandClass
from dnas_cli.scenes.stac_items import may_be_items
from dnas_cli.typed_fields import build, convert, option
from dnas_cli.yaml_files import LARGEST_YAML, parse_yaml

BUILT_IN = ("gid5", "gid15", "fbp")
_MOST_COLOURS = 500  # each is looked for in every label
PER_IMAGE = "image"  # the normalisation by mean and deviation of each image

# The defaults of `images` and `labels`: plain folders side by side.
_PLAIN_IMAGES = ("images/{scene}.*", "image/{scene}.*")
_PLAIN_LABELS = (
    "labels/{scene}.*", "masks/{scene}.*", "labels/{scene}_label.*", "masks/{scene}_mask.*",
    "label/{scene}.*", "label/{scene}_label.*",
)  # fmt: skip


@dataclass(frozen=True)
class ImagePattern:
    """One pattern of image paths.

    Attributes:
        pattern: The paths.
        bands: Names of the files' bands, in file order; empty if the files name them, or have the
            bands of the description in its order.
    """

    pattern: Pattern
    bands: tuple[str, ...] = ()

    @property
    def holds_items(self) -> bool:
        """Whether the files are STAC Items or ItemCollections."""
        return may_be_items(self.pattern.text)


@dataclass(frozen=True)
class DatasetDescription:
    """A dataset as `dnas tile` sees it.

    Attributes:
        images: Patterns of image paths; the one that pairs most images is used.
        labels: Patterns of label paths, likewise.
        scene: Template of the scene's name over the parts named in the patterns.
        bands: Names of the wanted bands, in the order of the tiles; empty for all.
        nodata: The value that means "no data", if the files do not declare it.
        encoding: How labels encode classes.
        normalisation: Constants over `bands`; from the training split when missing.
        per_image: Normalise each image by its own mean and deviation.
        lists: Name of published list files, with `{split}` for train, val and test.
        aoi: Where vector layers are that say in which area labels are complete.
        band_files: Where the bands are, if each has a place of its own.
    """

    name: str
    images: tuple[ImagePattern, ...]
    labels: tuple[Pattern, ...]
    scene: str
    bands: tuple[str, ...]
    nodata: float | None
    encoding: LabelEncoding
    normalisation: Normalisation | None
    per_image: bool
    lists: str | None
    aoi: Pattern | None = None
    band_files: tuple[BandPattern, ...] = ()

    @property
    def classes(self) -> tuple[LandClass, ...]:
        """The classes; position is the class index."""
        return self.encoding.classes

    def to_json(self) -> dict[str, Any]:
        """Return the part that determines the tiles as plain data, to compare settings."""
        return {
            "name": self.name,
            "images": [
                {"path": image.pattern.text, "bands": list(image.bands)} for image in self.images
            ],
            "labels": [pattern.text for pattern in self.labels],
            "scene": self.scene,
            "bands": list(self.bands),
            # JSON has no NaN; as a text it reads back as the number.
            "nodata": str(self.nodata) if _is_odd(self.nodata) else self.nodata,
            "classes": [land_class.to_json() for land_class in self.classes],
            "label_encoding": self.encoding.to_json(),
            "normalisation": self._normalisation_json(),
            **({"aoi": self.aoi.text} if self.aoi else {}),
            **({"band_files": [item.text for item in self.band_files]} if self.band_files else {}),
        }

    def _normalisation_json(self) -> Any:
        if self.per_image:
            return PER_IMAGE
        return self.normalisation.to_json() if self.normalisation else None


def _is_odd(number: float | None) -> bool:
    return number is not None and not math.isfinite(number)


def load_description(name_or_path: str) -> DatasetDescription:
    """Load a built-in description by name, or a user's YAML file by path.

    Raises:
        DataError: It does not exist, or is not valid.
    """
    if name_or_path in BUILT_IN:
        source = resources.files("dnas_cli.datasets") / "built_in" / f"{name_or_path}.yaml"
        return parse_description(source.read_text(encoding="utf-8"), name_or_path, name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        raise DataError(
            f"{name_or_path}: is neither a built-in dataset ({', '.join(BUILT_IN)}) nor a file.",
            "Write a description as docs/datasets.md shows, and give its path.",
        )
    text = read_text(path, LARGEST_YAML)
    return parse_description(text, str(path), path.stem)


def parse_description(text: str, origin: str, default_name: str) -> DatasetDescription:
    """Parse the YAML text of a description.

    Args:
        text: The YAML.
        default_name: The dataset's name if the text gives none.

    Raises:
        DataError: It is not YAML, or not a valid description.
    """
    value = parse_yaml(text, origin)
    try:
        return _description(value, default_name)
    except (DataError, ValueError) as error:
        what, remedy = (
            getattr(error, "what", f"{error}.".replace("..", ".")),
            "docs/datasets.md lists every key.",
        )
        raise DataError(f"{origin}: {what}", getattr(error, "remedy", "") or remedy) from error


def plain_description(encoding: LabelEncoding, name: str) -> DatasetDescription:
    """Return the description of a plain folder whose labels are written in a known way."""
    return DatasetDescription(
        name, _image_patterns(None), _label_patterns(None), "{scene}", (), None, encoding, None,
        per_image=False, lists=None,
    )  # fmt: skip


@dataclass(frozen=True)
class _Keys:
    """The keys of a description; those of several forms are read further by their own readers."""

    name: str | None = None
    images: Any = None
    labels: Any = None
    scene: str = "{scene}"
    bands: Any = field(default_factory=list)
    nodata: float | None = option(None, at_most=math.inf)
    label_kind: Literal["colour", "index"] | None = None
    first_value: int | None = None
    ignore: Any = field(default_factory=list)
    classes: Any = None
    groups: Any = None
    normalisation: Any = None
    lists: str | None = None
    aoi: str | None = None

    def __post_init__(self) -> None:
        for key in ("name", "scene", "lists", "aoi"):
            if getattr(self, key) is not None:
                text_of(getattr(self, key), key)


@dataclass(frozen=True)
class _ImageKeys:
    path: str
    bands: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class _Constants:
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = option(1.0, above=0)


def _description(value: Any, default_name: str) -> DatasetDescription:
    if isinstance(value, dict) and value.get("label_kind") == "color":
        value = {**value, "label_kind": "colour"}
    keys = build(_Keys, value)
    band_files, bands = _bands(keys)
    images = (ImagePattern(band_files[0].pattern),) if band_files else _image_patterns(keys.images)
    labels = _label_patterns(keys.labels)
    _check_names(images, labels, keys.scene)
    if keys.lists is not None and "{split}" not in keys.lists:
        raise DataError("`lists` must hold {split}, such as rs_{split}.lst.")
    return DatasetDescription(
        name=default_name if keys.name is None else keys.name,
        images=images,
        labels=labels,
        scene=keys.scene,
        bands=bands,
        nodata=None if keys.nodata is None else number_of(keys.nodata, "nodata"),
        encoding=_encoding(keys),
        normalisation=_normalisation(keys.normalisation, bands),
        per_image=keys.normalisation == PER_IMAGE,
        lists=keys.lists,
        aoi=None if keys.aoi is None else Pattern(keys.aoi),
        band_files=band_files,
    )


def _bands(keys: _Keys) -> tuple[tuple[BandPattern, ...], tuple[str, ...]]:
    """Return where the bands are, if each has a place of its own, and their names."""
    if not isinstance(keys.bands, dict):
        return (), names_of(keys.bands, "bands")
    if keys.images is not None:
        raise DataError("`bands` says where the files are, and so does `images`.", "Leave one out.")
    band_files = read_band_patterns(keys.bands)
    return band_files, tuple(item.band for item in band_files)


def _image_patterns(value: Any) -> tuple[ImagePattern, ...]:
    if value is None:
        return tuple(ImagePattern(Pattern(text)) for text in _PLAIN_IMAGES)
    patterns = []
    for entry in value if isinstance(value, list) else [value]:
        keys = build(_ImageKeys, entry if isinstance(entry, dict) else {"path": entry}, "images")
        path = Pattern(text_of(keys.path, "images"))
        patterns.append(ImagePattern(path, names_of(keys.bands, "images: bands")))
    if not patterns:
        raise DataError("`images` is empty.")
    return tuple(patterns)


def _label_patterns(value: Any) -> tuple[Pattern, ...]:
    if value is None:
        return tuple(Pattern(text) for text in _PLAIN_LABELS)
    if isinstance(value, dict):
        value = build(VectorKeys, value, "labels").path
    entries = value if isinstance(value, list) else [value]
    if not entries:
        raise DataError("`labels` is empty.")
    return tuple(Pattern(text_of(entry, "labels")) for entry in entries)


def _check_names(images: tuple[ImagePattern, ...], labels: tuple[Pattern, ...], scene: str) -> None:
    wanted = placeholders(scene)
    if not wanted:
        raise DataError("`scene` names no part of the image path, such as {scene}.")
    for image in images:
        # An Item says its own name.
        known = (*image.pattern.names, *(("scene",) if image.holds_items else ()))
        missing = [name for name in wanted if name not in known]
        if missing:
            raise DataError(
                f"images pattern {image.pattern.text!r} lacks {{{missing[0]}}}, which `scene` "
                "is made of."
            )
        for label in labels:
            extra = [name for name in label.names if name not in known]
            if extra and len(extra) == len(label.names):
                raise DataError(
                    f"labels pattern {label.text!r} names {{{extra[0]}}}, which the images pattern "
                    f"{image.pattern.text!r} does not have; they could not be paired."
                )


def _encoding(keys: _Keys) -> LabelEncoding:
    vector = is_vector_labels(keys.labels)
    kind = keys.label_kind or ("index" if vector else "colour")
    if kind == "colour" and keys.first_value is not None:
        raise DataError("`first_value` needs `label_kind: index`.")
    encoding = read_classes(keys.classes, keys.first_value or 0, kind)
    if keys.groups is not None:
        encoding = group_classes(encoding, keys.groups)
    if vector:
        said = build(VectorKeys, keys.labels if isinstance(keys.labels, dict) else {}, "labels")
        return vector_encoding(said, encoding, has_values(keys.classes))
    ignore = keys.ignore
    if kind == "colour":
        return replace(encoding, ignored_colours=_ignored_colours(ignore, encoding))
    entries = convert(ignore if isinstance(ignore, list) else [ignore], list[int], "ignore")
    for entry in entries:
        if entry in encoding.class_of_value:
            name = encoding.classes[encoding.class_of_value[entry]].name
            raise DataError(f"`ignore` holds {entry}, which is the class {name!r}.")
    return replace(encoding, ignored_values=tuple(entries))


def _ignored_colours(ignore: Any, encoding: LabelEncoding) -> tuple[Colour, ...]:
    # One colour may be given without the outer list: `ignore: [0, 0, 0]`.
    if not isinstance(ignore, list) or (ignore and not isinstance(ignore[0], list | str)):
        ignore = [ignore]
    colours = tuple(dict.fromkeys(colour_of(entry, "ignore") for entry in ignore))
    for colour in colours:
        if colour in encoding.class_of_colour:
            name = encoding.classes[encoding.class_of_colour[colour]].name
            raise DataError(f"`ignore` holds {colour}, which is the class {name!r}.")
    if len(encoding.class_of_colour) + len(colours) > _MOST_COLOURS:
        raise DataError(f"{len(colours)} ignored colours are too many.")
    return colours


def _normalisation(value: Any, bands: tuple[str, ...]) -> Normalisation | None:
    if value is None or value == PER_IMAGE:
        return None
    if not isinstance(value, dict):
        raise DataError(f"`normalisation` is {PER_IMAGE!r}, or has the keys scale, mean and std.")
    keys = build(_Constants, value, "normalisation")
    scale, mean, std = number_of(keys.scale, "scale"), numbers_of(keys.mean), numbers_of(keys.std)
    if not bands or len(mean) != len(bands) or len(std) != len(bands):
        raise DataError(
            f"`normalisation` has {len(mean)} means and {len(std)} deviations for "
            f"{len(bands)} `bands`; there must be one each per band."
        )
    if not all(deviation > 0 for deviation in std):
        raise DataError("`normalisation` needs deviations above zero.")
    return Normalisation(scale, mean, std)
