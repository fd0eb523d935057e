"""Patches of a map as polygons, strip by strip: the same as of the whole map at once."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.features import rasterize, shapes

from dnas_cli.mapping.memory import GDAL_CACHE, MemoryEstimate
from dnas_cli.scenes import patches as module
from dnas_cli.scenes import strips
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.patches import Patches, patches

shapely = pytest.importorskip("shapely")

NODATA = 255
SHAPES = [(60, 50, 1), (90, 70, 4), (211, 37, 3), (64, 1, 1), (1, 50, 1), (130, 40, 9)]


def blobs(height: int, width: int, size: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A map of three classes and no data, in blobs about as large as `size`."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 4, (height // size + 2, width // size + 2)).astype(np.uint8)
    large = np.repeat(np.repeat(coarse, size, axis=0), size, axis=1)
    rows = np.arange(height)[:, None] + random.integers(0, 2, (height, width))
    columns = np.arange(width)[None, :] + random.integers(0, 2, (height, width))
    values = large[rows, columns]
    return np.where(values == 3, np.uint8(NODATA), values)


def found(tmp_path: Path, values: npt.NDArray[np.uint8], tolerance: float = 0.0) -> list[Patches]:
    height, width = values.shape
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": NODATA}
    path = tmp_path / "map.tif"
    with without_georeference():
        with rasterio.open(path, "w", height=height, width=width, **profile) as raster:
            raster.write(values, 1)
        with rasterio.open(path) as raster:
            return list(patches(raster, tolerance, shapely.area))


def joined(parts: list[Patches]) -> Patches:
    return Patches(
        np.concatenate([part.outlines for part in parts]),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.areas for part in parts]),
        sum(part.cut for part in parts),
        sum(part.rows for part in parts),
    )


def burnt(whole: Patches, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    pairs = list(zip(whole.outlines, whole.indices, strict=True))
    back: npt.NDArray[np.uint8] = rasterize(pairs, shape, fill=NODATA, dtype="uint8")
    return back


@pytest.fixture(params=[1, 5, 16])
def thin_strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Strips of a few rows, so that most patches cross a line between two."""
    rows = int(request.param)
    monkeypatch.setattr(strips, "_step", lambda width: rows)
    monkeypatch.setattr(strips, "_SIDES", -1)
    return rows


@pytest.mark.parametrize(("height", "width", "size"), SHAPES)
def test_strips_give_the_polygons_of_the_whole_map(
    height: int, width: int, size: int, thin_strips: int, tmp_path: Path
) -> None:
    values = blobs(height, width, size)
    parts = found(tmp_path, values)
    assert len(parts) == -(-height // thin_strips)
    whole = joined(parts)
    # GDAL, on the whole map at once
    expected = [
        (shapely.normalize(shapely.geometry.shape(outline)).wkb, int(value))
        for outline, value in shapes(values, values != NODATA)
    ]
    ours = [outline.wkb for outline in shapely.normalize(whole.outlines)]
    assert sorted(zip(ours, whole.indices, strict=True)) == sorted(expected)
    assert np.array_equal(whole.areas, shapely.area(whole.outlines))
    assert np.array_equal(burnt(whole, values.shape), values)
    assert whole.cut == 0
    assert whole.rows == height


@pytest.mark.parametrize(("height", "width", "size"), SHAPES)
def test_simplified_borders_stay_shared_across_strips(
    height: int, width: int, size: int, thin_strips: int, tmp_path: Path
) -> None:
    values = blobs(height, width, size)
    whole = joined(found(tmp_path, values, tolerance=1.5))
    assert shapely.is_valid(whole.outlines).all()
    assert shapely.coverage_is_valid(whole.outlines)
    plain = joined(found(tmp_path, values))
    assert len(whole.outlines) == len(plain.outlines)
    # What a patch measured before it was simplified, however many pieces it came in.
    assert sorted(whole.areas) == pytest.approx(sorted(plain.areas))


def test_a_map_in_one_strip_loses_vertices_within_its_patches_only(tmp_path: Path) -> None:
    values = blobs(130, 40, 9)
    simplified, plain = found(tmp_path, values, tolerance=1.5), found(tmp_path, values)
    assert len(simplified) == len(plain) == 1
    before, after = (shapely.get_num_coordinates(p[0].outlines).sum() for p in (plain, simplified))
    assert after < before / 2
    assert joined(simplified).outlines.size == joined(plain).outlines.size
    west, south, east, north = shapely.total_bounds(simplified[0].outlines)
    assert (west, south, east, north) == (0, 0, 40, 130)


def test_patches_too_long_to_be_held_are_cut_and_no_pixel_is_lost(
    thin_strips: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_HELD_VERTICES", 60)
    values = blobs(90, 70, 4)
    whole = joined(found(tmp_path, values))
    assert whole.cut > 0
    assert np.array_equal(burnt(whole, values.shape), values)


@pytest.mark.parametrize("value", [1, NODATA])
def test_a_map_of_one_value_is_one_rectangle_or_nothing(
    value: int, thin_strips: int, tmp_path: Path
) -> None:
    for tolerance in (0.0, 2.0):
        whole = joined(found(tmp_path, np.full((40, 30), value, np.uint8), tolerance))
        assert len(whole.outlines) == (0 if value == NODATA else 1)
        for outline in whole.outlines:
            assert outline.equals(shapely.box(0, 0, 30, 40))


def test_a_strip_holds_no_more_sides_than_it_may() -> None:
    class Noise:
        shape = (700, 1000)
        values = np.random.default_rng(0).integers(0, 5, shape).astype(np.uint8)

        def read(self, band: int, window: tuple[tuple[int, int], ...]) -> npt.NDArray[np.uint8]:
            return self.values[slice(*window[0])]

    cut = list(strips.strips(Noise()))
    assert len(cut) > 2
    assert np.array_equal(np.concatenate([strip.rows for strip in cut]), Noise.values)
    for strip in cut:
        across = strip.rows[:, 1:] != strip.rows[:, :-1]
        down = strip.rows[1:] != strip.rows[:-1]
        assert across.sum() + down.sum() <= strips._SIDES


def test_polygons_count_where_they_take_more_than_the_windows_before_them() -> None:
    assert MemoryEstimate(10, 20, 30, strips=5).total == 60 + GDAL_CACHE
    assert MemoryEstimate(10, 20, 30, strips=70).total == 80 + GDAL_CACHE
