"""Recognising kinds of files and folders by their first bytes, and the error for a wrong kind.

Nothing is loaded: the reader of a file checks whether it is complete.
"""

import json
import zipfile
from pathlib import Path

from dnas_cli.errors import DataError

RUN, TILE_SET, EVALUATION = "run", "tile set", "evaluation"
VECTOR = "vector layers"
ARCHITECTURE = "architecture coding"
MODEL, CHECKPOINT, TORCH = "model", "checkpoint", "file of another torch program"
CODINGS = {
    "dnas/search-space": "search space",
    "dnas/path-coding": "path coding",
    "dnas/connection-coding": "connection coding",
    "dnas/architecture-coding": ARCHITECTURE,
}
"""Schemas of the documents of a run that `dnas encode` and `dnas decode` write, and their names."""
RASTER, ARRAY, FOLDER, FILE = "raster", "NumPy array", "folder", "file"

_SCHEMAS = {**CODINGS, "dnas/evaluation": EVALUATION}
_LARGEST_JSON = 64 << 20
_LARGEST_HEAD = 4 << 20  # bytes of a torch archive that name its parts
_MAGIC = (
    (b"II*\x00", RASTER), (b"MM\x00*", RASTER), (b"II+\x00", RASTER), (b"\x89PNG", RASTER),
    (b"\xff\xd8\xff", RASTER), (b"\x00\x00\x00\x0cjP", RASTER), (b"\x93NUMPY", ARRAY),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", TORCH),
)  # fmt: skip
_ORDER = {
    (MODEL, RASTER): "The model comes first: dnas predict MODEL SCENE --out MAP",
    (RUN, TILE_SET): "The run comes first; a new one takes its tile set by data=TILES.",
    (TILE_SET, RUN): "The run comes first, then the tile set.",
    (TILE_SET, MODEL): "The model comes first, then the tile set.",
    (RASTER, MODEL): "The model comes first, then the scenes.",
}


def kind_of(path: Path) -> str:
    """Return a path's kind, one of the names above; empty if it does not exist."""
    try:
        if path.is_dir():
            if (path / "run.json").is_file():
                return RUN
            return TILE_SET if (path / "dataset.json").is_file() else FOLDER
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            head = file.read(16)
        if head.startswith(b"PK"):
            return _kind_of_archive(path)
        if path.suffix == ".json":
            return _kind_of_document(path)
    except (OSError, ValueError):
        return ""
    return next((kind for start, kind in _MAGIC if head.startswith(start)), FILE)


def wrong_kind(path: Path, wanted: str) -> DataError:
    """Return the error for a file of a wrong kind: its kind, and the file to give instead."""
    found = kind_of(path)
    if not found:
        return DataError(f"{path}: no such file or folder.")
    return DataError(f"{path}: is {_one(found)}, not {_one(wanted)}.", _remedy(path, found, wanted))


def refuse_swapped(model: Path, data: Path | None) -> None:
    """Refuse data that is given where a run or model comes first.

    Raises:
        DataError: The first is a tile set, or the second a run or model.
    """
    first, second = kind_of(model), kind_of(data) if data else ""
    if first == TILE_SET or (first in (RASTER, FOLDER) and second in (RUN, MODEL)):
        other = f", and {data} is {_one(second)}" if second else ", not a run or model"
        raise DataError(
            f"{model}: is {_one(first)}{other}.",
            f"The run or model comes first: dnas eval {data if second else 'MODEL'} {model}",
        )


def _remedy(path: Path, found: str, wanted: str) -> str:
    if found == FOLDER and wanted == MODEL and (path / "model.pt").is_file():
        return f"Give {path / 'model.pt'}."
    root = next((folder for folder in (path, *path.parents) if kind_of(folder) == RUN), None)
    if root is not None and path != root and wanted == RUN:
        return f"Give its run: {root}"
    inside = {MODEL: "model.pt", ARCHITECTURE: "coding/architecture.json"}
    if root is not None and wanted in inside:
        there = (root / inside[wanted]).is_file()
        return (
            f"Give {root / inside[wanted]}."
            if there
            else f"See the next command: dnas status {root}"
        )
    if found == TORCH:
        return "`dnas import` reads checkpoints of the first release."
    return _ORDER.get((wanted, found), "")


def _one(kind: str) -> str:
    kind = {RUN: "run directory", MODEL: "model file", FILE: "file of another kind"}.get(kind, kind)
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _kind_of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("data.pkl")]
            if not names:
                return FILE
            with archive.open(names[0]) as part:
                head = part.read(_LARGEST_HEAD)
    except Exception:  # damaged archives fail in many ways; their own reader reports more
        return FILE
    kinds = ((b"dnas/model", MODEL), (b"dnas/checkpoint", CHECKPOINT))
    return next((kind for text, kind in kinds if text in head), TORCH)


def _kind_of_document(path: Path) -> str:
    if path.stat().st_size > _LARGEST_JSON:
        return FILE
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))["schema"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return FILE
    return _SCHEMAS.get(schema, FILE) if isinstance(schema, str) else FILE
