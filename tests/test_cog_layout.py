"""Cloud-Optimized GeoTIFFs whose layout a failing disk destroys, although all pixels are there."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.crs import CRS

from dnas_cli.errors import DnasError
from dnas_cli.scenes.cog_layout import has_cog_layout
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.writers import write_cog, write_draft, write_png

PLACE = Georeference(CRS.from_epsg(32633).to_wkt(), (10.0, 0.0, 500000.0, 0.0, -10.0, 5000000.0))
CLASSES = (LandClass("water", (0, 0, 255)), LandClass("forest", (0, 255, 0)))


def _draft(path: Path, size: int = 40) -> Path:
    values = np.arange(size * size, dtype=np.uint8).reshape(1, size, size) % 2
    rows = Rows(1, size, size, lambda start, stop: values[:, start:stop])
    write_draft(path, rows, CLASSES, PLACE, {"NOTE": "kept"})
    return path


def _move_directory(path: Path) -> None:
    """Do what libtiff does at the end when the first write of a directory failed."""
    content = bytearray(path.read_bytes())
    place = struct.unpack("<L", content[4:8])[0]
    entries = struct.unpack("<H", content[place : place + 2])[0]
    content += bytes(len(content) % 2)
    content[4:8] = struct.pack("<L", len(content))
    content += content[place : place + 2 + entries * 12 + 4]
    path.write_bytes(content)


def _lose_tags(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b">kept<", b">lost<"))


def test_a_copy_of_gdal_with_and_without_overviews_has_the_layout(tmp_path: Path) -> None:
    for size, options in ((40, {}), (1100, {}), (40, {"bigtiff": "YES"})):
        draft = _draft(tmp_path / "draft.tif", size)
        rasterio.shutil.copy(draft, tmp_path / "map.tif", driver="COG", **options)
        assert has_cog_layout(tmp_path / "map.tif")
    assert not has_cog_layout(draft)


@pytest.mark.parametrize("damage", [_move_directory, _lose_tags])
def test_a_map_that_lost_its_layout_or_tags_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    draft = _draft(tmp_path / "draft.tif")
    write_cog(draft, tmp_path / "map.tif", "MODE")
    copy = rasterio.shutil.copy

    def copy_and_lose(source: str, target: str, **options: Any) -> None:
        copy(source, target, **options)
        damage(Path(target))

    monkeypatch.setattr(rasterio.shutil, "copy", copy_and_lose)
    with pytest.raises(DnasError, match="not written whole; the disk is full"):
        write_cog(draft, tmp_path / "out" / "map.tif", "MODE")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_picture_that_lost_its_tags_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = _draft(tmp_path / "draft.tif")
    copy = rasterio.shutil.copy
    monkeypatch.setattr(
        rasterio.shutil,
        "copy",
        lambda source, target, **_: copy(source, target, driver="PNG"),  # no metadata as text
    )
    with pytest.raises(DnasError, match="not written whole"):
        write_png(draft, tmp_path / "map.png")


def test_a_damaged_draft_of_an_earlier_command_is_replaced(tmp_path: Path) -> None:
    whole = _draft(tmp_path / "whole.tif").read_bytes()
    (tmp_path / "draft.tif").write_bytes(whole[:3])
    assert _draft(tmp_path / "draft.tif").read_bytes() == whole
