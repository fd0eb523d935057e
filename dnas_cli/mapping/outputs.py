"""Which files a scene's map becomes, from the given patterns."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import count, islice
from pathlib import Path
from typing import Literal

from dnas_cli.errors import UsageError
from dnas_cli.mapping.areas import AreaOptions
from dnas_cli.mapping.refinement import Refinement
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.layer_files import SUFFIXES as POLYGON_SUFFIXES
from dnas_cli.scenes.map_values import MapValues, index_values, label_values
from dnas_cli.scenes.polygons import PolygonOptions
from dnas_cli.scenes.scene_files import SceneFiles

TIFF_SUFFIXES = (".tif", ".tiff")
MAP_SUFFIXES = (".png", *TIFF_SUFFIXES, *POLYGON_SUFFIXES)
SHARES = ("probabilities", "confidence", "entropy", "margin")
"""Rasters of 0..254 for 0..1 that are made with a map."""

_NAME = "{name}"
_LONGEST_NAME = 245  # bytes; names of files have 255, and those of unfinished ones some more
# Suffixes of the outputs beside maps, and the endings of their names in a folder.
_BESIDE = {name: (TIFF_SUFFIXES, f"_{name}.tif") for name in SHARES} | {
    "overlay": ((".png",), "_overlay.png"),
    "areas": ((".csv",), "_areas.csv"),
    "stac": ((".json",), ".json"),
}


@dataclass(frozen=True)
class Outputs:
    """The files of one scene.

    Attributes:
        beside: Those beside the maps, by their options' names in `MapOptions`.
        polygons: How maps become polygons.
        refinement: What happens to a map's classes before they are written.
        areas: What the table of areas holds.
        values: What rasters hold for each class.
    """

    maps: tuple[Path, ...]
    beside: Mapping[str, Path] = field(default_factory=dict)
    polygons: PolygonOptions = field(default_factory=PolygonOptions)
    refinement: Refinement = field(default_factory=Refinement)
    areas: AreaOptions = field(default_factory=AreaOptions)
    values: MapValues = field(default_factory=lambda: index_values(0, None))

    @property
    def polygon_files(self) -> tuple[Path, ...]:
        """The maps that are polygons."""
        return tuple(filter(_is_polygons, self.maps))

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them but sidecars."""
        return (*self.maps, *self.beside.values())

    @property
    def with_probabilities(self) -> bool:
        """Whether the probability of every class is needed."""
        return "probabilities" in self.beside

    @property
    def with_certainty(self) -> bool:
        """Whether entropy or margin is needed."""
        return "entropy" in self.beside or "margin" in self.beside

    def bands(self, classes: int) -> dict[str, int]:
        """Return the bands of each raster that is needed beside that of the classes."""
        needed = {*self.beside, *(["confidence"] if self.refinement.unsure is not None else [])}
        return {
            name: classes if name == "probabilities" else 1 for name in SHARES if name in needed
        }


def _is_polygons(path: Path) -> bool:
    return path.suffix.lower() in POLYGON_SUFFIXES


@dataclass(frozen=True)
class OutputPatterns:
    """What the user wrote: files, folders, or patterns with `{name}` for the scene's name.

    A folder (it exists, ends with `/`, or has no suffix) gets one file per scene.
    """

    maps: tuple[str, ...]
    beside: Mapping[str, str] = field(default_factory=dict)
    polygons: PolygonOptions = field(default_factory=PolygonOptions)
    refinement: Refinement = field(default_factory=Refinement)
    areas: AreaOptions = field(default_factory=AreaOptions)

    def __post_init__(self) -> None:
        if not self.maps:
            raise UsageError("No output was named.", "Give for example out=map.tif or out=maps/.")
        for out in self.maps:
            _check(out, MAP_SUFFIXES, "out")
        if self.polygons != PolygonOptions() and not any(map(_is_polygons, map(Path, self.maps))):
            raise UsageError(
                "min_area=... and simplify=... are for polygons; no output is .gpkg or .geojson."
            )
        if self.areas != AreaOptions() and "areas" not in self.beside:
            raise UsageError(
                "zones=... and error_matrix=... are for the table of areas.",
                "Give areas=FILE.csv as well.",
            )
        for name, text in self.beside.items():
            _check(text, _BESIDE[name][0], name)

    @property
    def many(self) -> bool:
        """Whether every output has a place for any number of scenes."""
        texts = (*self.maps, *self.beside.values())
        return all(_NAME in text or _is_folder(text) for text in texts)

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(filter(_is_folder, (*self.maps, *self.beside.values())))

    def for_scene(self, scene: str | SceneFiles) -> Outputs:
        """Return the files of one scene."""
        name = scene_name(scene)

        def path(text: str, ending: str) -> Path:
            if text in self._folders:
                return Path(text, f"{name}{ending}")
            return Path(text.replace(_NAME, name))

        return Outputs(
            maps=tuple(path(text, ".tif") for text in self.maps),
            beside={key: path(text, _BESIDE[key][1]) for key, text in self.beside.items()},
            polygons=self.polygons,
            refinement=self.refinement,
            areas=self.areas,
        )


def plan_outputs(scenes: Sequence[str | SceneFiles], patterns: OutputPatterns) -> list[Outputs]:
    """Return the files of every scene.

    Raises:
        UsageError: Two outputs would be one file, an output is one of the scenes, or a name is too
            long.
    """
    if len(scenes) > 1 and not patterns.many:
        raise UsageError(
            f"{len(scenes)} scenes cannot share one output file.",
            "Give a folder (out=maps/) or a pattern (out='maps/{name}.png') for each output.",
        )
    planned = [patterns.for_scene(scene) for scene in scenes]
    resolved = cache(os.path.realpath)
    inputs = {
        name if "://" in name or name.startswith("/vsi") else _resolved(name, resolved)
        for scene in scenes
        for name in (scene.files if isinstance(scene, SceneFiles) else (scene,))
    }
    taken: dict[str, str | SceneFiles] = {}
    for scene, outputs in zip(scenes, planned, strict=True):
        for path in outputs.files:
            if len(os.fsencode(path.name)) > _LONGEST_NAME:
                raise UsageError(
                    f"{path.name}: is too long for the name of a file.",
                    "Name the map yourself (out=FILE), or give the scene a shorter name.",
                )
            place = _resolved(str(path), resolved)
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
    kind: Literal["indices", "labels"],
    nodata: int | None,
    facts: ModelFacts,
    refinement: Refinement,
) -> MapValues:
    """Return what maps hold for each class: its index, or `labels` its value in the labels.

    A class that only the map has gets the next value that is free.

    Raises:
        UsageError: There are no such values, or `nodata` is one of a class.
    """
    classes = refinement.classes(facts.classes)
    if kind == "labels":
        values = label_values(facts.labels, nodata)
        free = (value for value in count(max(values.of_class) + 1) if value != values.nodata)
        more = islice(free, len(classes) - len(facts.classes))
        values = replace(values, of_class=(*values.of_class, *more))
    else:
        values = index_values(len(classes), nodata)
    if values.nodata in values.of_class:
        name = classes[values.of_class.index(values.nodata)].name
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
        last = scene.replace("\\", "/").rstrip("/").rpartition("/")[2]
        stem = last.rsplit(".", 1)[0] if "." in last.strip(".") else last
    return re.sub(r'[:*?"<>|]+', "_", stem) or "scene"


def _resolved(path: str, folder_resolved: Callable[[str], str]) -> str:
    """Return a path without links, for whose folder the system is asked once."""
    folder, name = os.path.split(path)
    place = os.path.join(folder_resolved(folder), name)  # noqa: PTH118
    if name in ("", ".", "..") or os.path.islink(place):  # noqa: PTH114
        place = os.path.realpath(path)
    return os.path.normcase(place)


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
