"""What a map says of itself: which model made it, of which scene, and how."""

import json
import os
from pathlib import Path

from dnas_cli.errors import DataError
from dnas_cli.scenes.opening import opened
from dnas_cli.scenes.vector_files import layer_info, layers_of

MODEL, KEY, SCENE = "DNAS_MODEL", "DNAS_KEY", "DNAS_SCENE"
_PREFIX = b"DNAS_"
_HEAD = 1 << 16  # bytes of a GeoJSON file that hold what is said before its features


def is_map(name: str) -> bool:
    """Whether a raster is a map, or a raster of probabilities or a preview made with one."""
    return os.path.isfile(name) and _may_have_tags(name) and MODEL in map_tags(Path(name))  # noqa: PTH113


def _may_have_tags(name: str) -> bool:
    """Whether tags of `dnas predict` stand at an end of a file, or may stand beside it.

    A TIFF has its tags at either end. GDAL takes a millisecond to open a file, and there may be a
    hundred thousand.
    """
    if os.path.isfile(f"{name}.aux.xml"):  # noqa: PTH113
        return True
    try:
        with open(name, "rb") as file:  # noqa: PTH123
            head = file.read(_HEAD)
            if len(head) < _HEAD or _PREFIX in head:
                return _PREFIX in head
            file.seek(max(file.tell(), file.seek(0, 2) - _HEAD))
            return _PREFIX in file.read()
    except OSError:
        return True  # GDAL explains


def map_tags(path: Path) -> dict[str, str]:
    """Return the metadata that `dnas predict` writes into a map; nothing where there are none."""
    suffix = path.suffix.lower()
    if not path.is_file():
        return {}
    if suffix == ".geojson":
        return _geojson_tags(path)
    if suffix == ".gpkg":
        return _layer_tags(path)
    try:
        with opened(path) as raster:
            tags = dict(raster.tags())
    except DataError:
        return {}
    return {key: str(value) for key, value in tags.items() if key.startswith("DNAS_")}


def _geojson_tags(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.read(_HEAD)
    start = head.find('"description": "')
    if start < 0:
        return {}
    text, _ = json.JSONDecoder().raw_decode(head, start + len('"description": '))
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _layer_tags(path: Path) -> dict[str, str]:
    try:
        metadata = layer_info(path, layers_of(path)[0]).get("layer_metadata") or {}
    except DataError:
        return {}
    return {key: str(value) for key, value in metadata.items() if key.startswith("DNAS_")}
