"""Images of a dataset: what each is called, and which files hold its bands."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dnas_cli.datasets.band_files import BandIndex
from dnas_cli.datasets.description import DatasetDescription
from dnas_cli.datasets.path_patterns import SPLIT_OF_NAME, safe_name
from dnas_cli.errors import DataError
from dnas_cli.scenes.opening import is_address
from dnas_cli.scenes.scene_files import BandFile, SceneFiles

_LONGEST_NAME = 200  # bytes; a file name has 255, and a tile's adds row, column and kind


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of a dataset.

    Attributes:
        key: Name of the image among all of its dataset; tile names start with it.
        scene: The scene it belongs to, as a name that is safe in paths.
        scene_text: The scene's name as the folders have it.
        image: Path of the image, relative to the source folder.
        bands: Names of the file's bands in order, when the description says them.
        split: `train`, `val` or `test`, when the `{split}` of a pattern says it.
        parts: Where its bands are, if not all in the image.
    """

    key: str
    scene: str
    scene_text: str
    image: str
    bands: tuple[str, ...]
    split: str | None = None
    parts: tuple[BandFile, ...] = ()

    def scene_files(self, source: Path) -> Path | SceneFiles:
        """Return what the image is opened by."""
        if not self.parts:
            return source / self.image
        parts = [
            part if is_address(part.path) else replace(part, path=str(source / part.path))
            for part in self.parts
        ]
        return SceneFiles(str(source / self.image), tuple(parts))


class ImageNames:
    """Names the images of a dataset, each once.

    Args:
        source: The folder of the dataset.
        description: How it is described.
        bands: Names of the bands of its files.
        index: The files of its bands.
        items: The scenes of STAC Items by their path.
        parts: The named parts of all images.
    """

    def __init__(
        self,
        source: Path,
        description: DatasetDescription,
        bands: tuple[str, ...],
        index: BandIndex,
        items: Mapping[str, SceneFiles],
        parts: Sequence[Mapping[str, str]],
    ) -> None:
        self._source, self._description, self._bands = source, description, bands
        self._index, self._items = index, items
        self._in_several = _names_in_several_splits(parts, description.scene)
        self._taken: dict[str, str] = {}

    def image(self, parts: dict[str, str], path: str) -> Image:
        """Return the image of a path with its named parts.

        Raises:
            DataError: It lacks bands, or its name or split is none.
        """
        item, description = self._items.get(path), self._description
        band_files = self._index.parts_of(parts, path) if item is None else self._of_item(item)
        split = SPLIT_OF_NAME.get(parts.get("split", "train").lower())
        if split is None:
            raise DataError(f"{parts['split']!r} is none of train, val and test")
        scene_text = description.scene.format(**parts)
        if scene_text in self._in_several:  # a number, say, that counts from 1 in every split
            scene_text = f"{parts['split']}_{scene_text}"
        # What the scene's name does not say distinguishes the images of one scene.
        rest = [
            value
            for name, value in parts.items()
            if f"{{{name}}}" not in description.scene and name != "split"
        ]
        key = safe_name("_".join([scene_text, *rest]))
        if len(key.encode()) > _LONGEST_NAME:
            raise DataError("has too long a name for its tiles")
        if key in self._taken:
            raise DataError(f"has the same name as {self._taken[key]} in a tile set")
        self._taken[key] = path
        return Image(
            key=key,
            scene=safe_name(scene_text),
            scene_text=scene_text,
            image=path,
            bands=self._bands,
            split=split if "split" in parts else None,
            parts=band_files,
        )

    def _of_item(self, scene: SceneFiles) -> tuple[BandFile, ...]:
        """Return the bands of an Item, with paths relative to the source folder."""
        wanted = self._description.bands
        if not wanted and not scene.is_one_file:
            raise DataError(
                f"{scene.name}: is a STAC Item of several bands, and the description names none."
            )
        return tuple(
            part
            if is_address(part.path)
            else replace(part, path=os.path.relpath(part.path, self._source))
            for part in scene.of_bands(wanted).parts
        )


def _names_in_several_splits(images: Sequence[Mapping[str, str]], scene: str) -> set[str]:
    """Return the names of scenes that images of different `{split}` have."""
    splits: dict[str, set[str]] = defaultdict(set)
    for parts in images:
        if "split" in parts and "{split}" not in scene:
            splits[scene.format(**parts)].add(parts["split"])
    return {name for name, found in splits.items() if len(found) > 1}
