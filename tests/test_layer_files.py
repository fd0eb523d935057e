"""Layers that a failing disk leaves incomplete, although the library reports no error."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyogrio.raw
import pytest

from dnas_cli.errors import DnasError
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.layer_files import explained
from dnas_cli.scenes.raster import Window
from dnas_cli.scenes.window_polygons import write_windows

PLACE = Georeference("EPSG:32633", (10.0, 0.0, 500000.0, 0.0, -10.0, 5000000.0))


def _sql(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            for statement in statements:
                database.execute(statement)

    return damage


def _cut(first: int, last: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[:first] + content[last:] if last else content[:first])

    return damage


def _without_vertex(path: Path) -> None:
    text = path.read_text()
    start = text.index("[ [ [") + 4
    path.write_text(text[:start] + text[text.index("]", start) + 3 :])


def _write(target: Path) -> None:
    windows = [(Window(row, 0, 8, 8), PLACE) for row in (0, 8, 16)]
    write_windows(target, windows, {"rank": [1, 2, 3]})


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".gpkg", _sql("DELETE FROM gpkg_extensions")),
        (".gpkg", _sql("DROP TABLE rtree_map_geom")),
        (".gpkg", _sql("UPDATE gpkg_contents SET min_x = NULL")),
        (".gpkg", _sql("UPDATE gpkg_ogr_contents SET feature_count = 2")),
        (".gpkg", _sql("DROP TRIGGER trigger_insert_feature_count_map")),
        (".gpkg", _sql("DELETE FROM gpkg_spatial_ref_sys WHERE srs_id = 32633")),
        (".gpkg", _cut(4096, 8192)),
        (".gpkg", _cut(9000, 0)),
        (".geojson", _cut(-2, 0)),
        (".geojson", _cut(300, 600)),
        (".geojson", _without_vertex),
    ],
)
def test_a_layer_that_is_not_whole_is_refused_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    damage: Callable[[Path], None],
) -> None:
    _write(tmp_path / "whole" / f"map{suffix}")
    write = pyogrio.raw.write

    def write_and_lose(path: str, *args: Any, **options: Any) -> None:
        write(path, *args, **options)
        damage(Path(path))

    monkeypatch.setattr(pyogrio.raw, "write", write_and_lose)
    with pytest.raises(DnasError, match="not written whole; the disk is full") as caught:
        _write(tmp_path / "lost" / f"map{suffix}")
    assert "Free the space" in str(caught.value.remedy)
    assert list((tmp_path / "lost").iterdir()) == []


def test_an_error_of_the_database_is_one_message_with_a_remedy(tmp_path: Path) -> None:
    message = "attempt to write a readonly database"
    with (
        pytest.raises(DnasError, match=message) as caught,
        explained(tmp_path / "map.gpkg"),
    ):
        raise sqlite3.OperationalError(message)
    assert caught.value.remedy


def test_options_of_the_library_are_as_before_a_layer_is_written(tmp_path: Path) -> None:
    pyogrio.set_gdal_config_options({"OGR_SQLITE_JOURNAL": "WAL"})
    try:
        _write(tmp_path / "map.gpkg")
        assert pyogrio.get_gdal_config_option("OGR_SQLITE_JOURNAL") == "WAL"
        assert pyogrio.get_gdal_config_option("OGR_SQLITE_SYNCHRONOUS") is None
    finally:
        pyogrio.set_gdal_config_options({"OGR_SQLITE_JOURNAL": None})
