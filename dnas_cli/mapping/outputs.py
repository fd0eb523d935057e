"""Which files a scene's map becomes, from the given patterns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from dnas_cli.errors import UsageError
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.map_values import MapValues, index_values, label_values
from dnas_cli.scenes.polygons import SUFFIXES as POLYGON_SUFFIXES
from dnas_cli.scenes.polygons import PolygonOptions
from dnas_cli.scenes.scene_files import SceneFiles

TIFF_SUFFIXES = (".tif", ".tiff")
MAP_SUFFIXES = (".png", *TIFF_SUFFIXES, *POLYGON_SUFFIXES)
_NAME = "{name}"


@dataclass(frozen=True)
class Outputs:
    """The files of one scene.

    As in `MapOptions`; `values` are what rasters hold for each class.
    """

    maps: tuple[Path, ...]
    probabilities: Path | None = None
    confidence: Path | None = None
    overlay: Path | None = None
    polygons: PolygonOptions = field(default_factory=PolygonOptions)
    values: MapValues = field(default_factory=lambda: index_values(0, None))

    @property
    def polygon_files(self) -> tuple[Path, ...]:
        """The maps that are polygons."""
        return tuple(filter(_is_polygons, self.maps))

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them but sidecars."""
        more = (self.probabilities, self.confidence, self.overlay)
        return (*self.maps, *(path for path in more if path is not None))


def _is_polygons(path: Path) -> bool:
    return path.suffix.lower() in POLYGON_SUFFIXES


@dataclass(frozen=True)
class OutputPatterns:
    """What the user wrote: files, folders, or patterns with `{name}` for the scene's name.

    A folder (it exists, ends with `/`, or has no suffix) gets one GeoTIFF per scene.
    """

    maps: tuple[str, ...]
    probabilities: str | None = None
    confidence: str | None = None
    overlay: str | None = None
    polygons: PolygonOptions = field(default_factory=PolygonOptions)

    def __post_init__(self) -> None:
        if not self.maps:
            raise UsageError("No output was named.", "Give for example out=map.tif or out=maps/.")
        for out in self.maps:
            _check(out, MAP_SUFFIXES, "out")
        if self.polygons != PolygonOptions() and not any(map(_is_polygons, map(Path, self.maps))):
            raise UsageError(
                "min_area=... and simplify=... are for polygons; no output is .gpkg or .geojson."
            )
        for text, suffixes, option in (
            (self.probabilities, TIFF_SUFFIXES, "probabilities"),
            (self.confidence, TIFF_SUFFIXES, "confidence"),
            (self.overlay, (".png",), "overlay"),
        ):
            if text is not None:
                _check(text, suffixes, option)

    @property
    def many(self) -> bool:
        """Whether every output has a place for any number of scenes."""
        more = (self.probabilities, self.confidence, self.overlay)
        texts = (*self.maps, *(text for text in more if text is not None))
        return all(_NAME in text or _is_folder(text) for text in texts)

    def for_scene(self, scene: str | SceneFiles) -> Outputs:
        """Return the files of one scene."""
        name = scene_name(scene)

        def path(text: str | None, ending: str) -> Path | None:
            if text is None:
                return None
            if _is_folder(text):
                return Path(text) / f"{name}{ending}"
            return Path(text.replace(_NAME, name))

        maps = tuple(path(text, ".tif") for text in self.maps)
        return Outputs(
            maps=tuple(item for item in maps if item is not None),
            probabilities=path(self.probabilities, "_probabilities.tif"),
            confidence=path(self.confidence, "_confidence.tif"),
            overlay=path(self.overlay, "_overlay.png"),
            polygons=self.polygons,
        )


def plan_outputs(scenes: Sequence[str | SceneFiles], patterns: OutputPatterns) -> list[Outputs]:
    """Return the files of every scene.

    Raises:
        UsageError: Two outputs would be one file, or an output is one of the scenes.
    """
    if len(scenes) > 1 and not patterns.many:
        raise UsageError(
            f"{len(scenes)} scenes cannot share one output file.",
            "Give a folder (out=maps/) or a pattern (out='maps/{name}.png') for each output.",
        )
    planned = [patterns.for_scene(scene) for scene in scenes]
    inputs = {
        _resolve_scene(name)
        for scene in scenes
        for name in (scene.files if isinstance(scene, SceneFiles) else (scene,))
    }
    taken: dict[Path, str | SceneFiles] = {}
    for scene, outputs in zip(scenes, planned, strict=True):
        for path in outputs.files:
            place = path.resolve()
            if place in inputs:
                raise UsageError(
                    f"{path}: is a scene that is read; it would be replaced by its map.",
                    "Name another folder or file.",
                )
            if place in taken:
                raise UsageError(
                    f"{path}: would be written twice, for {taken[place]} and {scene}.",
                    "Map scenes of the same name into different folders.",
                )
            taken[place] = scene
    return planned


def with_values(planned: Sequence[Outputs], values: MapValues) -> list[Outputs]:
    """Return outputs whose rasters hold these values."""
    return [replace(outputs, values=values) for outputs in planned]


def map_values(
    kind: Literal["indices", "labels"], nodata: int | None, facts: ModelFacts
) -> MapValues:
    """Return what maps hold for each class: its index, or `labels` its value in the labels.

    Raises:
        UsageError: There are no such values, or `nodata` is one of a class.
    """
    if kind == "labels":
        values = label_values(facts.labels, nodata)
    else:
        values = index_values(len(facts.classes), nodata)
    if values.nodata in values.of_class:
        name = facts.classes[values.of_class.index(values.nodata)].name
        raise UsageError(
            f"map_nodata={values.nodata}: is the class {name!r} in the map.",
            f"Give a value from {max(values.of_class) + 1} on.",
        )
    return values


def scene_name(scene: str | SceneFiles) -> str:
    """Return the name of a scene without folders, suffix and what no file name may hold."""
    if isinstance(scene, SceneFiles):
        return re.sub(r'[/\\:*?"<>|]+', "_", scene.name).strip(".") or "scene"
    if re.match(r'^[A-Za-z]\w+:"', scene):  # a part of a file: NETCDF:"folder/a.nc":red
        stem = re.sub(r'"[^"]*/', "", scene).replace('"', "")
    else:
        last = re.split(r"[/\\]", scene.rstrip("/\\"))[-1]
        stem = last.rsplit(".", 1)[0] if "." in last.strip(".") else last
    return re.sub(r'[:*?"<>|]+', "_", stem) or "scene"


def _resolve_scene(scene: str) -> Path:
    return Path(scene) if "://" in scene or scene.startswith("/vsi") else Path(scene).resolve()


def _is_folder(text: str) -> bool:
    return text.endswith("/") or Path(text).is_dir() or not Path(text).suffix


def _check(text: str, suffixes: Sequence[str], option: str) -> None:
    for placeholder in re.findall(r"\{\w*\}", text):
        if placeholder != _NAME:
            raise UsageError(
                f"{option}={text}: {placeholder} stands for nothing.",
                f"Write {_NAME} for the scene's name.",
            )
    suffix = Path(text).suffix.lower()
    if not _is_folder(text) and suffix not in suffixes:
        raise UsageError(
            f"{option}={text}: {suffix} is not written.", f"Give one of {', '.join(suffixes)}."
        )
