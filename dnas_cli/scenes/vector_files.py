"""The one door by which files of features are opened: by the driver that their suffix promises.

GDAL looks at what a file holds, not at its name, and would follow a document that refers to other
files or into the network. pyogrio lets nobody choose a driver, but the name can: with a driver in
front of it, no other looks at the file; and what has a zero byte near its start is no document.
"""

import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError, brief
from dnas_cli.files import size_of_file
from dnas_cli.scenes.external import is_external_allowed

# What a file of a suffix begins with.
_BEGINNINGS = {
    ".gpkg": b"SQLite format 3\0", ".geojson": b"{", ".json": b"{", ".shp": b"\0\0\x27\x0a",
    ".fgb": b"fgb\x03fgb",
}  # fmt: skip
SUFFIXES = frozenset(_BEGINNINGS)

# The key "crs" before anything but a plain value: GDAL asks the address of a linked CRS. It takes
# escapes, comments and any case.
_PLAIN = rb"""(?:(?!["'](?:url|link))[^{}\\])*"""
_LINKED_CRS = re.compile(
    rb"""["'](?:c|\\u00[46]3)(?:r|\\u00[57]2)(?:s|\\u00[57]3)["'](?!\s*(?:[,}\]]|:\s*(?:[^\s{/]|"""
    rb"\{" + _PLAIN + rb"(?:\{" + _PLAIN + rb"\}" + _PLAIN + rb")?\})))",
    re.IGNORECASE,
)


def is_vector(path: str | Path) -> bool:
    """Whether a file holds features by its suffix."""
    return os.path.splitext(path)[1].lower() in SUFFIXES  # noqa: PTH122 (a million files)


def layers_of(path: Path, tables: bool = False) -> list[str]:
    """Return the names of the layers of features: QGIS keeps its styles in a table beside.

    Args:
        tables: Whether tables without a place belong to them.

    Raises:
        DataError: The file cannot be opened, or there is no such layer.
    """
    import pyogrio

    with _opened(path) as name:
        layers = [
            str(layer) for layer, kind in pyogrio.list_layers(name) if tables or kind is not None
        ]
    if not layers:
        raise DataError(f"{path}: holds no layer of features.")
    return layers


def layer_info(path: Path, layer: str, **options: bool) -> dict[str, Any]:
    """Return what pyogrio knows of a layer.

    Raises:
        DataError: The file cannot be opened, or has no such layer.
    """
    import pyogrio

    with _opened(path) as name:
        return dict(pyogrio.read_info(name, layer=layer, **options))


def read_layer(path: Path, layer: str, **options: Any) -> tuple[dict[str, Any], Any, Any, Any]:
    """Return facts, numbers, geometries and attributes of features, as pyogrio reads them.

    Raises:
        DataError: The file cannot be opened or read, or has no such layer.
    """
    import pyogrio.raw

    with _opened(path) as name:
        meta, numbers, geometries, fields = pyogrio.raw.read(name, layer=layer, **options)
        return meta, numbers, geometries, fields


@contextmanager
def _opened(path: Path) -> Iterator[str]:
    """Yield the name by which a file is opened, and explain what the library raises."""
    from pyogrio.errors import DataLayerError, DataSourceError

    _refuse_other_kind(path)
    try:
        yield _name_for_gdal(path)
    except (DataSourceError, DataLayerError, UnicodeError) as error:
        raise DataError(f"{path}: cannot be opened as a vector layer ({brief(error)}).") from error
    except UnboundLocalError as error:  # of pyogrio, where GDAL cannot spell a system out
        raise DataError(
            f"{path}: its coordinate reference system cannot be read.",
            "Say which one it is: ogr2ogr -a_srs EPSG:NUMBER NEW OLD",
        ) from error


def _name_for_gdal(path: Path) -> str:
    """Return a name that pyogrio passes on as it is: `!` and `;` mean something in a plain path."""
    text = os.path.abspath(path)  # noqa: PTH100 (links stay)
    if path.suffix.lower() in (".geojson", ".json"):
        return f"GeoJSON:{text}"
    if path.suffix.lower() == ".gpkg" and not {":", '"'} & set(text):
        return f"GPKG:{text}"
    return f"/vsisubfile/0,{text}"  # the whole file


def _refuse_other_kind(path: Path) -> None:
    """Refuse a file that is not what its suffix promises, or that refers to others."""
    if not is_vector(path):
        raise DataError(
            f"{path}: is no vector file by its suffix; {', '.join(sorted(SUFFIXES))} are.",
            f"Convert it: ogr2ogr {path.stem}.gpkg {path.name}",
        )
    size_of_file(path)
    with path.open("rb") as file:
        head = file.read(64).removeprefix(b"\xef\xbb\xbf")
    start = _BEGINNINGS[path.suffix.lower()]
    if not (head.lstrip().startswith(b"{") if start == b"{" else _is_binary(head, start)):
        raise DataError(f"{path}: is not a {path.suffix} file.", "Check that the file is whole.")
    facts = path.stat()
    if (
        start == b"{"
        and not is_external_allowed()
        and _refers_to_a_crs(path, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    ):
        raise DataError(
            f"{path}: refers to another file for its CRS.",
            "If you trust it, give allow_external=True.",
        )


def _is_binary(head: bytes, start: bytes) -> bool:
    return head.startswith(start) and b"\0" in head[:16]


@lru_cache(maxsize=64)
def _refers_to_a_crs(path: Path, size: int, *times: int) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return _LINKED_CRS.search(text) is not None
