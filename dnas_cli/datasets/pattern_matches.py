"""Matching the patterns of a description with files, and choosing those that pair the most."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.datasets.description import DatasetDescription, ImagePattern
from dnas_cli.datasets.path_patterns import Pattern
from dnas_cli.scenes.scene_files import SceneFiles
from dnas_cli.scenes.stac_items import is_web_address, read_items


@dataclass(frozen=True)
class ImageMatches:
    """The images of a pattern: named parts and path of each, and the scenes of STAC Items."""

    entries: tuple[tuple[dict[str, str], str], ...]
    items: dict[str, SceneFiles] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.entries)


@dataclass(frozen=True)
class LabelMatches:
    """The labels of a pattern: paths by the values of the named parts that images share."""

    pattern: Pattern
    by_names: dict[tuple[str, ...], list[str]]
    names: tuple[str, ...]  # that the image pattern has as well

    @property
    def may_be_many(self) -> bool:
        """Whether the pattern means several labels of one image: it has more parts, or none."""
        return not self.names or len(self.names) < len(self.pattern.names)


def best_patterns(
    source: Path, files: list[str], description: DatasetDescription
) -> tuple[ImageMatches, LabelMatches, tuple[str, ...]]:
    """Choose the image and label patterns that pair the most; ties go to the earlier ones."""
    found_images = [(image, _images(source, files, image)) for image in description.images]

    @cache  # many patterns of images share the same parts with one of labels
    def labels_by(pattern: Pattern, names: tuple[str, ...]) -> LabelMatches:
        by_names: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for parts, path in pattern.matches(files):
            by_names[tuple([parts[name] for name in names])].append(path)
        return LabelMatches(pattern, dict(by_names), names)

    images, labels, image = max(
        (
            (images, labels_by(pattern, _shared_names(pattern, image)), image)
            for image, images in found_images
            for pattern in description.labels
        ),
        key=lambda choice: (_paired(*choice[:2]), len(choice[0].entries)),
    )
    if images:
        logger.debug("images: %s, labels: %s", image.pattern.text, labels.pattern.text)
    others = [
        other.pattern.text for other, entries in found_images if entries and other is not image
    ]
    if images and others:
        logger.debug("images elsewhere are not used: %s", ", ".join(others))
    return images, labels, image.bands


def _images(source: Path, files: list[str], image: ImagePattern) -> ImageMatches:
    entries = list(image.pattern.matches(files))
    if is_web_address(image.pattern.text):
        entries = [({}, image.pattern.text)]
    if not image.holds_items:
        return ImageMatches(tuple(entries))
    items: dict[str, SceneFiles] = {}
    named = []
    for parts, path in entries:
        for scene in read_items(path if is_web_address(path) else str(source / path)):
            name = f"{path}#{scene.name}"
            items[name] = scene
            named.append(({"scene": scene.name, **parts}, name))
    return ImageMatches(tuple(named), items)


def _shared_names(pattern: Pattern, image: ImagePattern) -> tuple[str, ...]:
    known = (*image.pattern.names, *(("scene",) if image.holds_items else ()))
    return tuple(name for name in pattern.names if name in known)


def _paired(images: ImageMatches, labels: LabelMatches) -> int:
    names, known = labels.names, labels.by_names
    wanted = (tuple([parts[name] for name in names]) for parts, _ in images.entries)
    return sum(own in known for own in wanted) if known else 0
