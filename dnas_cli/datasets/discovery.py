"""Finding the images and labels of a dataset below a folder, and pairing them."""

import os
from dataclasses import dataclass
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.datasets.band_files import BandIndex
from dnas_cli.datasets.description import DatasetDescription, load_description
from dnas_cli.datasets.images import Image, ImageNames
from dnas_cli.datasets.path_patterns import Pattern, is_raster
from dnas_cli.datasets.pattern_matches import ImageMatches, LabelMatches, best_patterns
from dnas_cli.errors import DataError
from dnas_cli.scenes.external import is_external_allowed
from dnas_cli.scenes.label_encoding import LabelEncoding
from dnas_cli.scenes.opening import is_address
from dnas_cli.scenes.placed_labels import LabelFiles
from dnas_cli.scenes.stac_items import is_web_address
from dnas_cli.scenes.vector_files import is_vector

_OWN_DESCRIPTIONS = ("dataset.yaml", "dataset.yml")
_BUILT_IN_SIGNS = {
    "label_5classes": "gid5", "label_15classes": "gid15", "Annotation__index": "fbp",
}  # fmt: skip
_MOST_FILES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Pair(Image):
    """An image and its label.

    Attributes:
        label: Path of the label, relative to the source folder.
        more_labels: Further labels of the image; of two that label a pixel the earlier counts.
        aoi: Path of the vector layer that says where labels are complete.
    """

    label: str
    more_labels: tuple[str, ...] = ()
    aoi: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """All files, relative to the source folder."""
        more = [part.path for part in self.parts if not is_address(part.path)]
        image = [] if self.parts else [self.image]
        aoi = [self.aoi] if self.aoi else []
        return tuple(dict.fromkeys([*image, self.label, *self.more_labels, *aoi, *more]))

    def label_files(self, source: Path, encoding: LabelEncoding, as_is: bool) -> LabelFiles:
        """Return the labels as they are opened over the image."""
        aoi = None if self.aoi is None else source / self.aoi
        paths = tuple(source / name for name in (self.label, *self.more_labels))
        return LabelFiles(paths, encoding, aoi, as_is)


@dataclass(frozen=True)
class LabelledScenes:
    """Scenes with their labels.

    Attributes:
        root: The folder that paths are relative to.
        pairs: Images and labels, by name.
        encoding: How the labels say which class a pixel has.
        max_unknown: The largest share of pixels of a label of no known colour or value.
        bands: Names of the bands of the dataset, where a description says them.
        nodata: The value that means "no data", when the files do not declare it.
        as_is: Labels lie on their images pixel by pixel, wherever they say they lie.
        resample: Images are brought to the ground resolution of the model.
    """

    root: Path
    pairs: tuple[Pair, ...]
    encoding: LabelEncoding
    max_unknown: float
    bands: tuple[str, ...] = ()
    nodata: float | None = None
    as_is: bool = False
    resample: bool = False


@dataclass(frozen=True)
class Problem:
    """A file or scene that is left out, and why.

    Attributes:
        name: The file or scene.
        reason: What is wrong with it.
    """

    name: str
    reason: str


def find_description(source: Path, asked: str | None) -> DatasetDescription:
    """Return the named description, or the one that the folder's content shows.

    Raises:
        DataError: None is named, and none can be recognised.
    """
    if asked is not None:
        return load_description(asked)
    for name in _OWN_DESCRIPTIONS:
        if (source / name).is_file():
            return _without_network(load_description(str(source / name)), source / name)
    for sign, name in _BUILT_IN_SIGNS.items():
        if any(folder.is_dir() for folder in (source / sign, *sorted(source.glob(f"*/{sign}")))):
            logger.info("%s: has a folder %s, so this is taken for %s", source, sign, name)
            return load_description(name)
    raise DataError(
        f"{source}: the classes are not known.",
        "Say what the data are: dataset=gid5, gid15 or fbp, or a YAML file with classes and "
        "colours; docs/datasets.md has one of a dozen lines.",
    )


def _without_network(description: DatasetDescription, path: Path) -> DatasetDescription:
    """Refuse a description that was found, and not given, if it reaches the network."""
    for image in description.images:
        if is_web_address(image.pattern.text) and not is_external_allowed():
            raise DataError(
                f"{path}: has images in the network, {image.pattern.text}.",
                f"If you trust it, give dataset={path}.",
            )
    return description


def find_pairs(
    source: Path, description: DatasetDescription, leave_out: Path | None = None
) -> tuple[list[Pair], list[Problem]]:
    """Find every image with its label.

    Args:
        source: The folder to look in.
        description: Where images and labels are, and how they pair.
        leave_out: A folder below `source` that is not looked into.

    Returns:
        The pairs by name, and the images and labels that cannot be used.

    Raises:
        DataError: There is no image.
    """
    found = _search(source, description, leave_out)
    labels, problems, pairs, used = found.labels, found.problems, list[Pair](), set[str]()
    for parts, path in found.entries:
        own = labels.by_names.get(tuple(parts[name] for name in labels.names), [])
        used.update(own)
        if not own or (len(own) > 1 and not labels.may_be_many):
            problems.append(Problem(path, _label_problem(own, labels.pattern.text)))
            continue
        try:
            aoi = _aoi_of(found.files, description.aoi, parts)
            image = found.names.image(parts, path)
        except DataError as error:
            problems.append(Problem(path, error.what))
            continue
        pairs.append(Pair(**vars(image), label=own[0], more_labels=tuple(own[1:]), aoi=aoi))
    everything = {path for own in labels.by_names.values() for path in own}
    problems += [Problem(path, "label without image") for path in sorted(everything - used)]
    return sorted(_one_text_per_scene(pairs, problems), key=lambda pair: pair.key), problems


def find_images(source: Path, description: DatasetDescription) -> tuple[list[Image], list[Problem]]:
    """Find every image, whether it has a label or not.

    Returns:
        The images by name, and those that cannot be used.

    Raises:
        DataError: There is no image.
    """
    found = _search(source, description, None)
    images = []
    for parts, path in found.entries:
        try:
            images.append(found.names.image(parts, path))
        except DataError as error:
            found.problems.append(Problem(path, error.what))
    return sorted(images, key=lambda image: image.key), found.problems


@dataclass(frozen=True)
class _Found:
    files: list[str]
    entries: list[tuple[dict[str, str], str]]  # named parts and path of every image
    labels: LabelMatches
    names: ImageNames
    problems: list[Problem]


def _search(source: Path, description: DatasetDescription, leave_out: Path | None) -> _Found:
    files, problems = _files(source, leave_out)
    images, labels, bands = best_patterns(source, files, description)
    if not images:
        first = f"{problems[0].name} {problems[0].reason}; " if problems else ""
        raise DataError(
            f"{source}: {first}holds no image of the dataset {description.name!r}.",
            "Looked for " + ", ".join(image.pattern.text for image in description.images) + ".",
        )
    index = BandIndex(description.band_files, files)
    names = ImageNames(
        source, description, bands, index, images.items, [parts for parts, _ in images.entries]
    )
    return _Found(files, _without_labels(images, labels), labels, names, problems)


def _aoi_of(files: list[str], pattern: Pattern | None, parts: dict[str, str]) -> str | None:
    """Return the layer that says where the labels of an image are complete, if one is described."""
    if pattern is None:
        return None
    for found, path in pattern.matches(files):
        if all(parts.get(name) == text for name, text in found.items()):
            return path
    raise DataError(f"has no area of interest (none fits {pattern.text})")


def _without_labels(images: ImageMatches, labels: LabelMatches) -> list[tuple[dict[str, str], str]]:
    """Leave out labels beside their images that the image pattern also matches."""
    everything = {path for found in labels.by_names.values() for path in found}
    used: set[str] = set()
    paired: set[str] = set()
    for parts, path in images.entries:
        own = labels.by_names.get(tuple(parts[name] for name in labels.names), [])
        others = [other for other in own if other != path]
        used.update(others)
        if others:
            paired.add(path)
    labels_only = used | (everything - paired)
    return [(parts, path) for parts, path in images.entries if path not in labels_only]


def _one_text_per_scene(pairs: list[Pair], problems: list[Problem]) -> list[Pair]:
    # "Tile 1" and "Tile_1" would be one folder; that must not join two scenes silently.
    texts: dict[str, str] = {}
    kept = []
    for pair in pairs:
        if texts.setdefault(pair.scene, pair.scene_text) == pair.scene_text:
            kept.append(pair)
        else:
            other = texts[pair.scene]
            problems.append(
                Problem(pair.image, f"its scene {pair.scene_text!r} is spelled like {other!r}")
            )
    return kept


def _label_problem(found: list[str], pattern: str) -> str:
    if not found:
        return f"image without label (none fits {pattern})"
    return f"has {len(found)} labels: {', '.join(found[:3])}"


def _files(source: Path, leave_out: Path | None) -> tuple[list[str], list[Problem]]:
    """List the raster files below a folder, relative and sorted; links stay inside it."""
    root = source.resolve()
    skipped = str(leave_out.resolve()) if leave_out is not None else None
    files: list[str] = []
    problems: list[Problem] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            problems.append(Problem(folder or str(source), f"cannot be listed ({error.strerror})"))
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith(".") or entry.path == skipped:
                continue
            is_layer = is_raster(entry.name) or is_vector(entry.name)
            if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
                if is_layer or entry.is_dir():
                    problems.append(Problem(path, "is a link that leads out of the source folder"))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif is_layer and entry.is_file() and not path.isprintable():
                problems.append(Problem(repr(path), "has unprintable characters in its name"))
            elif is_layer and entry.is_file():
                files.append(path)
        if len(files) > _MOST_FILES:
            raise DataError(f"{source}: holds more than {_MOST_FILES:,} rasters.")
    return sorted(files), problems
