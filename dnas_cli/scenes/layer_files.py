"""Layers of polygons to files, GeoPackage or GeoJSON: written whole, or refused.

GDAL may end without an error although a call to the system failed, without the spatial index for
example. So what it wrote is read back.
"""

import io
import json
import re
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dnas_cli.errors import DnasError
from dnas_cli.files import atomic_path, not_whole

SUFFIXES = {".gpkg": "GPKG", ".geojson": "GeoJSON"}

# A database that failed is thrown away, and a whole one is flushed before it gets its name.
_DATABASES = {"OGR_SQLITE_JOURNAL": "MEMORY", "OGR_SQLITE_SYNCHRONOUS": "OFF"}


@contextmanager
def new_layer_file(target: Path) -> Iterator[Path]:
    """Yield a path for the library to write to; the file replaces `target` if all goes well."""
    with atomic_path(target) as temporary, explained(target), plain_path(temporary) as path:
        temporary.unlink()  # GDAL would not create a GeoPackage in an empty file
        yield path


def refuse_incomplete(
    target: Path, written: Path, layer: str, crs: str | None, count: int, vertices: int
) -> None:
    """Read a layer back, and refuse it if something that was written is not there.

    Args:
        target: The file, for the message.
        written: Where it was written.
        layer: Its name.
        crs: Its coordinate reference system, as it was given to the library.
        count: The features of the layer.
        vertices: Of all polygons; GeoJSON has more where it cuts one at 180 degrees.

    Raises:
        DnasError: It is not whole.
    """
    is_whole = _database_is_whole if target.suffix.lower() == ".gpkg" else _text_is_whole
    try:
        whole = is_whole(written, layer, crs, count, vertices)
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError):
        whole = False
    if not whole:
        raise not_whole(target)


def layer_name(stem: str) -> str:
    """Return a name for a layer: databases keep some names for themselves, and read some signs."""
    name = re.sub(r"[^\w .-]", "_", stem).strip(" .-") or "map"
    return f"map_{name}" if re.match(r"gpkg|sqlite|rtree", name, re.IGNORECASE) else name


@contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """Yield a path to a file that the library takes as it is: `!` and `;` mean more to it.

    Where the path has such signs, it is one through a link in a folder of its own.
    """
    if re.fullmatch(r"[\w /.,+-]+", str(path.absolute())):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="dnas-") as folder:
        link = Path(folder) / "folder"
        link.symlink_to(path.absolute().parent, target_is_directory=True)
        name = Path(folder) / f"file{path.suffix}"
        name.symlink_to(link / path.name)
        yield name


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turn what the libraries raise while they write a file into a message."""
    import pyogrio
    import pyogrio.errors

    before = {name: pyogrio.get_gdal_config_option(name) for name in _DATABASES}
    pyogrio.set_gdal_config_options(_DATABASES)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided")
            yield
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        sqlite3.Error,
    ) as error:
        raise DnasError(
            f"{target}: cannot be written ({str(error).rstrip('.')}).",
            "Free the space or choose another place.",
        ) from error
    finally:
        pyogrio.set_gdal_config_options(before)


def _database_is_whole(path: Path, layer: str, crs: str | None, count: int, vertices: int) -> bool:
    with closing(sqlite3.connect(path)) as database:

        def value(query: str, *given: object) -> Any:
            return database.execute(query, given).fetchone()[0]

        column = value("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", layer)
        table, index = (
            '"{}"'.format(name.replace('"', '""')) for name in (layer, f"rtree_{layer}_{column}")
        )
        extent = value("SELECT min_x FROM gpkg_contents WHERE table_name = ?", layer) is not None
        return (
            value("PRAGMA integrity_check") == "ok"
            and value(f"SELECT count(*) FROM {table}") == count
            and value(f'SELECT total(length("{column}")) FROM {table}') >= 16 * vertices
            and value(f"SELECT count(*) FROM {index}") == count
            and value("SELECT count(*) FROM gpkg_extensions WHERE table_name = ?", layer) == 1
            and value("SELECT feature_count FROM gpkg_ogr_contents WHERE table_name = ?", layer)
            == count
            and extent == (count > 0)
            and _parts(database) >= _parts_of_any(layer, crs)
        )


def _parts(database: sqlite3.Connection) -> set[tuple[str, object]]:
    """Return the tables, triggers and reference systems of a GeoPackage."""
    parts = database.execute("SELECT type, name FROM sqlite_master").fetchall()
    systems = database.execute("SELECT 'system', srs_id FROM gpkg_spatial_ref_sys").fetchall()
    return {*parts, *systems}


def _parts_of_any(layer: str, crs: str | None) -> set[tuple[str, object]]:
    """Return what every layer of a name and a reference system has, whatever it holds.

    It is made in memory, where no disk can fail.
    """
    import pyogrio.raw
    import shapely

    content = io.BytesIO()
    pyogrio.raw.write(
        content,
        geometry=shapely.to_wkb([shapely.box(0, 0, 1, 1)]),
        field_data=[],
        fields=[],
        geometry_type="Polygon",
        crs=crs,
        driver="GPKG",
        layer=layer,
    )
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content.getvalue())
        return _parts(database)


def _text_is_whole(path: Path, _: str, crs: str | None, count: int, vertices: int) -> bool:
    """GDAL writes a feature per line."""
    found = points = 0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith('{ "type": "Feature",'):
                continue
            geometry = json.loads(line.rstrip().rstrip(","))["geometry"]
            parts = geometry["coordinates"]
            polygons = parts if geometry["type"] == "MultiPolygon" else [parts]
            points += sum(len(ring) for polygon in polygons for ring in polygon)
            found += 1
        ended = line.strip() == "}"
    return ended and found == count and points >= vertices
