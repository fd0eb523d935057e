"""The files that tiles are cut from: their names, sizes and hashes, and whether they changed."""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dnas_cli.datasets.discovery import Pair
from dnas_cli.files import changed_after
from dnas_cli.scenes.opening import files_behind, is_address


def image_facts(source: Path, pair: Pair) -> dict[str, Any]:
    """Return what `dataset.json` holds about an image, and about the files of its bands."""
    if not pair.parts:
        return {"image": file_facts(source / pair.image, pair.image)}
    bands = [
        {
            "band": part.names[0],
            "variable": part.variable,
            "number": part.number,
            "file": {"path": part.path}
            if is_address(part.path)
            else file_facts(source / part.path, part.path),
        }
        for part in pair.parts
    ]
    return {"image": {"path": pair.image}, "bands": bands}


def further_files(source: Path, pair: Pair) -> dict[str, Any]:
    """Return what `dataset.json` holds about further labels and the area of interest."""
    more = [file_facts(source / name, name) for name in pair.more_labels]
    aoi = {} if pair.aoi is None else {"aoi": file_facts(source / pair.aoi, pair.aoi)}
    return aoi | ({"more_labels": more} if more else {})


def files_of(source: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return name, size and hash of every file of a source, as `file_facts` gave them."""
    known = [source[kind] for kind in ("image", "label", "aoi") if kind in source]
    parts = [part["file"] for part in source.get("bands", [])]
    files = [*known, *source.get("more_labels", []), *parts]
    return [file for file in files if "sha256" in file]


def file_facts(path: Path, name: str) -> dict[str, Any]:
    """Return name, size and hash of a source file, as `dataset.json` holds them.

    Of a VRT, also those of the files that it is made of.
    """
    folder = Path(name).parent
    parts = [
        _facts(part, os.path.normpath(folder / os.path.relpath(part, path.parent)))
        for part in files_behind(path)
    ]
    return _facts(path, name) | ({"made_of": parts} if parts else {})


def _facts(path: Path, name: str) -> dict[str, Any]:
    facts = path.stat()
    return {
        "path": name,
        "bytes": facts.st_size,
        # Copying sets the time of the content at will, but not that of the entry.
        "sha256": _digest(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns),
    }


def is_changed(path: Path, known: Mapping[str, Any], moment: int = 0) -> bool:
    """Return whether a source file, or one that a VRT is made of, holds something else than before.

    Args:
        known: As `file_facts` described it.
        moment: When that was still so, in nanoseconds; what did not change since is not read.
    """
    if path.stat().st_size != known["bytes"]:
        return True
    if not any(changed_after(file, moment) for file in (path, *files_behind(path))):
        return False
    found = file_facts(path, known["path"])
    return any(found.get(key) != value for key, value in known.items())


@cache
def _digest(path: Path, size: int, *times: int) -> str:
    """Return the hash of a file; one layer of labels can serve all images."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
