"""Finding the images and labels of a dataset below a folder, and pairing them."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.datasets.description import DatasetDescription, ImagePattern, load_description
from dnas_cli.datasets.path_patterns import Pattern, safe_name
from dnas_cli.errors import DataError
from dnas_cli.scenes.labels import LabelEncoding
from dnas_cli.scenes.raster import RASTER_SUFFIXES

_OWN_DESCRIPTIONS = ("dataset.yaml", "dataset.yml")
_BUILT_IN_SIGNS = {
    "label_5classes": "gid5", "label_15classes": "gid15", "Annotation__index": "fbp",
}  # fmt: skip
_MOST_FILES = 1_000_000
_LONGEST_NAME = 200  # bytes; a file name has 255, and a tile's adds row, column and kind


@dataclass(frozen=True)
class Pair:
    """An image and its label.

    Attributes:
        key: Name of the image among all of its dataset; tile names start with it.
        scene: The scene it belongs to, as a name that is safe in paths.
        scene_text: The scene's name as the folders have it.
        image: Path of the image, relative to the source folder.
        label: Path of the label, likewise.
        bands: Names of the file's bands in order, when the description says them.
    """

    key: str
    scene: str
    scene_text: str
    image: str
    label: str
    bands: tuple[str, ...]


@dataclass(frozen=True)
class LabelledScenes:
    """Scenes with their labels.

    Attributes:
        root: The folder that paths are relative to.
        pairs: Images and labels, by name.
        encoding: How the labels say which class a pixel has.
        bands: Names of the bands of the dataset, where a description says them.
        nodata: The value that means "no data", when the files do not declare it.
    """

    root: Path
    pairs: tuple[Pair, ...]
    encoding: LabelEncoding
    bands: tuple[str, ...] = ()
    nodata: float | None = None


@dataclass(frozen=True)
class Problem:
    """Something that is left out, and why.

    Attributes:
        name: The file or scene.
        reason: What is wrong with it.
    """

    name: str
    reason: str


def find_description(source: Path, asked: str | None) -> DatasetDescription:
    """Return the description that was asked for, or the one that the folder's content shows.

    Raises:
        DataError: None was asked for and none can be told.
    """
    if asked is not None:
        return load_description(asked)
    for name in _OWN_DESCRIPTIONS:
        if (source / name).is_file():
            return load_description(str(source / name))
    for sign, name in _BUILT_IN_SIGNS.items():
        if any(folder.is_dir() for folder in (source / sign, *sorted(source.glob(f"*/{sign}")))):
            logger.info("%s: has a folder %s, so this is taken for %s", source, sign, name)
            return load_description(name)
    raise DataError(
        f"{source}: the classes are not known.",
        "Say what the data are: --dataset gid5, gid15 or fbp, or a YAML file with classes and "
        "colours; docs/datasets.md has one of a dozen lines.",
    )


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
        DataError: There is no image at all.
    """
    files, problems = _files(source, leave_out)
    images, labels, bands = _best_patterns(files, description)
    if not images:
        raise DataError(
            f"{source}: holds no image of the dataset {description.name!r}.",
            "Looked for " + ", ".join(image.pattern.text for image in description.images) + ".",
        )
    pairs = []
    keys: dict[str, str] = {}
    label_names = labels.names
    used = set()
    for parts, path in images.entries:
        found = labels.by_names.get(tuple(parts[name] for name in label_names), [])
        used.update(found)
        if len(found) != 1:
            problems.append(Problem(path, _label_problem(found, labels.pattern.text)))
            continue
        scene_text = description.scene.format(**parts)
        scene = safe_name(scene_text)
        # Whatever the scene's name does not say tells the images of one scene apart.
        rest = [value for name, value in parts.items() if f"{{{name}}}" not in description.scene]
        key = safe_name("_".join([scene_text, *rest]))
        if len(key.encode()) > _LONGEST_NAME:
            problems.append(Problem(path, "has too long a name for its tiles"))
            continue
        if key in keys:
            problems.append(Problem(path, f"has the same name as {keys[key]} in a tile set"))
            continue
        keys[key] = path
        pairs.append(Pair(key, scene, scene_text, path, found[0], bands))
    everything = {path for found in labels.by_names.values() for path in found}
    problems += [Problem(path, "label without image") for path in sorted(everything - used)]
    return sorted(_one_text_per_scene(pairs, problems), key=lambda pair: pair.key), problems


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
                Problem(pair.image, f"its scene {pair.scene_text!r} is not told from {other!r}")
            )
    return kept


@dataclass(frozen=True)
class _Images:
    entries: tuple[tuple[dict[str, str], str], ...]

    def __bool__(self) -> bool:
        return bool(self.entries)


@dataclass(frozen=True)
class _Labels:
    pattern: Pattern
    by_names: dict[tuple[str, ...], list[str]]

    @property
    def names(self) -> tuple[str, ...]:
        return self.pattern.names


def _best_patterns(
    files: list[str], description: DatasetDescription
) -> tuple[_Images, _Labels, tuple[str, ...]]:
    """Choose the image and label patterns that pair the most; ties go to the earlier ones."""
    found_images = [(image, _images(files, image)) for image in description.images]
    found_labels = [_labels(files, pattern) for pattern in description.labels]
    best: tuple[int, int] | None = None
    chosen = (found_images[0][1], found_labels[0], found_images[0][0])
    for image, images in found_images:
        for labels in found_labels:
            paired = sum(
                tuple(parts[name] for name in labels.names) in labels.by_names
                for parts, _ in images.entries
            )
            worth = (paired, len(images.entries))
            if best is None or worth > best:
                best, chosen = worth, (images, labels, image)
    images, labels, image = chosen
    if images:
        logger.debug("images: %s, labels: %s", image.pattern.text, labels.pattern.text)
    others = [
        other.pattern.text for other, entries in found_images if entries and other is not image
    ]
    if images and others:
        logger.debug("images elsewhere are not used: %s", ", ".join(others))
    return images, labels, image.bands


def _images(files: list[str], image: ImagePattern) -> _Images:
    matches = ((image.pattern.match(path), path) for path in files)
    return _Images(tuple((parts, path) for parts, path in matches if parts is not None))


def _labels(files: list[str], pattern: Pattern) -> _Labels:
    by_names: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in files:
        parts = pattern.match(path)
        if parts is not None:
            by_names[tuple(parts[name] for name in pattern.names)].append(path)
    return _Labels(pattern, dict(by_names))


def _label_problem(found: list[str], pattern: str) -> str:
    if not found:
        return f"image without label (none fits {pattern})"
    return f"has {len(found)} labels: {', '.join(found[:3])}"


def _files(source: Path, leave_out: Path | None) -> tuple[list[str], list[Problem]]:
    """List the raster files below a folder, relative and sorted; links must not lead out of it."""
    root = source.resolve()
    skipped = leave_out.resolve() if leave_out is not None else None
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
            if entry.name.startswith(".") or Path(entry.path) == skipped:
                continue
            is_raster = Path(entry.name).suffix.lower() in RASTER_SUFFIXES
            if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
                if is_raster or entry.is_dir():
                    problems.append(Problem(path, "is a link that leads out of the source folder"))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif is_raster and entry.is_file() and not path.isprintable():
                problems.append(Problem(repr(path), "has unprintable characters in its name"))
            elif is_raster and entry.is_file():
                files.append(path)
        if len(files) > _MOST_FILES:
            raise DataError(f"{source}: holds more than {_MOST_FILES:,} rasters.")
    return sorted(files), problems
