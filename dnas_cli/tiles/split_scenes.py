"""The scenes that a split of a tile set was cut from, with their labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnas_cli import console
from dnas_cli.datasets.discovery import LabelledScenes, Pair
from dnas_cli.datasets.path_patterns import Pattern
from dnas_cli.errors import DataError, UsageError, brief
from dnas_cli.scenes.external import is_external_allowed
from dnas_cli.scenes.opening import is_address
from dnas_cli.scenes.scene_files import BandFile
from dnas_cli.tiles.dataset_json import read_description
from dnas_cli.tiles.source_files import files_of, is_changed
from dnas_cli.tiles.tile_set import TileSet


def open_split_scenes(tiles: TileSet, split: str, source: Path | None) -> LabelledScenes:
    """Find the scenes of a split, and check that they are unchanged.

    Args:
        split: "train", "val" or "test".
        source: The folder of the scenes, if they were moved.

    Raises:
        UsageError: The tile set was not cut from whole scenes.
        DataError: Scenes are missing or have changed.
    """
    tiles.split(split)  # it exists and holds something
    content = read_description(tiles.root)
    try:
        return _scenes(tiles, content, set(tiles.scenes(split)), source)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{tiles.root}: does not say its scenes ({brief(error)}).",
            "Cut the tile set again.",
        ) from error


def _scenes(
    tiles: TileSet, content: Mapping[str, Any], wanted: set[str], source: Path | None
) -> LabelledScenes:
    settings = content["settings"]
    if settings.get("split_by") != "scene":
        raise UsageError(
            _not_by_scene(tiles, settings), "Leave scenes=True out to score its tiles."
        )
    folder = _folder(tiles, content, source)
    dataset = settings["dataset"]
    found = [item for item in content["sources"] if item["scene"] in wanted]
    bands = _file_bands(dataset["images"], [str(item["image"]["path"]) for item in found])
    pairs = [
        Pair(
            key=str(item["key"]),
            scene=str(item["scene"]),
            scene_text=str(item["scene"]),
            image=str(item["image"]["path"]),
            label=str(item["label"]["path"]),
            bands=bands,
            more_labels=tuple(str(label["path"]) for label in item.get("more_labels", [])),
            aoi=str(item["aoi"]["path"]) if "aoi" in item else None,
            parts=tuple(
                BandFile(
                    (str(part["band"]),),
                    str(part["file"]["path"]),
                    str(part["variable"]),
                    int(part["number"]),
                )
                for part in item.get("bands", [])
            ),
        )
        for item in found
    ]
    missing = wanted - {pair.scene for pair in pairs}
    if missing:
        raise ValueError(f"no source of the scene {min(missing)}")
    if not is_external_allowed():
        for pair in pairs:
            _refuse_outside(tiles, folder, pair)
    facts = [file for item in found for file in files_of(item)]
    with console.progress("checking scenes", len(facts), "file") as advance:
        for item in facts:
            _check_unchanged(tiles, folder, item)
            advance(1)
    nodata = dataset["nodata"]
    return LabelledScenes(
        folder,
        tuple(pairs),
        tiles.source_encoding,
        float(settings["max_unknown"]),
        tuple(str(band) for band in dataset["bands"]),
        None if nodata is None else float(nodata),
        settings.get("labels_as_is", False) is True,
        settings.get("resample") is not None,
    )


def _not_by_scene(tiles: TileSet, settings: Mapping[str, Any]) -> str:
    if settings.get("split_by") in ("block", "area"):
        return (
            f"{tiles.root}: has parts of a scene in several splits, so that a whole one was partly "
            "trained on."
        )
    return f"{tiles.root}: was made of existing tiles; it has no scenes."


def _folder(tiles: TileSet, content: Mapping[str, Any], source: Path | None) -> Path:
    folder, known = source, content.get("source")
    if folder is None and known is not None:
        folder = (tiles.root / str(known)).resolve()
    if folder is not None and folder.is_dir():
        return folder
    where = f"{folder}: is not a folder" if folder else f"{tiles.root}: does not name their folder"
    raise DataError(
        f"{where}; the scenes of the tile set are needed.",
        "Name their present folder with source=DIR.",
    )


def _file_bands(places: list[Mapping[str, Any]], images: list[str]) -> tuple[str, ...]:
    """Return the names of the bands in the files, if all images are of one pattern."""
    for place in places:
        pattern = Pattern(str(place["path"]))
        if all(pattern.match(image) for image in images):
            return tuple(str(band) for band in place["bands"])
    return ()


def _refuse_outside(tiles: TileSet, folder: Path, pair: Pair) -> None:
    """Refuse what a description names outside the folder of the scenes, or in the network."""
    for name in (*pair.files, *(part.path for part in pair.parts)):
        if is_address(name) or not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise DataError(
                f"{tiles.root}: names {name!r} for a scene, which is not below {folder}.",
                "If you trust it, give allow_external=True.",
            )


def _check_unchanged(tiles: TileSet, folder: Path, facts: Mapping[str, Any]) -> None:
    path = folder / str(facts["path"])
    if not path.is_file():
        raise DataError(f"{path}: is missing.", "Name the folder of the scenes with source=DIR.")
    if is_changed(path, facts):
        raise DataError(
            f"{path}: has changed since {tiles.root} was cut from it.",
            "Cut the tile set again, or leave scenes=True out to score its tiles.",
        )
