"""`scenes.sieve`: GDAL's rule, a strip of rows at a time."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.features import sieve as gdal_sieve

from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.sieve import sieve

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def _noise(seed: int, classes: int, height: int, width: int, block: int) -> npt.NDArray[np.uint8]:
    """Random blocks of classes, with pixels of noise and without data on them."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, classes, (-(-height // block), -(-width // block)))
    values = np.kron(coarse, np.ones((block, block), int))[:height, :width].astype(np.uint8)
    at = random.random(values.shape)
    values[at < 0.15] = random.integers(0, classes, int((at < 0.15).sum()))
    values[at > 0.93] = IGNORE
    return values


@pytest.mark.parametrize("smallest", [2, 5, 30])
@pytest.mark.parametrize(
    ("classes", "height", "width", "block"),
    [(2, 40, 37, 1), (5, 61, 20, 1), (3, 50, 64, 6), (4, 1, 200, 3), (3, 60, 1, 3), (2, 9, 9, 1)],
)
def test_a_sieved_map_is_that_of_gdal_for_strips_of_any_height(
    smallest: int, classes: int, height: int, width: int, block: int, tmp_path: Path
) -> None:
    values = _noise(smallest, classes, height, width, block)
    expected = gdal_sieve(values, smallest, mask=values != IGNORE)
    for rows in (1, 7, None):
        assert np.array_equal(_sieved(values, smallest, tmp_path, rows), expected), rows
    assert [path.name for path in tmp_path.iterdir()] == ["sieved.raw"]


def test_ways_in_circles_and_maps_without_data_stay(tmp_path: Path) -> None:
    board = (np.indices((12, 13)).sum(axis=0) % 2).astype(np.uint8)
    assert np.array_equal(_sieved(board, 2, tmp_path, 5), board)
    assert np.array_equal(gdal_sieve(board, 2), board)
    nothing = np.full((5, 5), IGNORE, np.uint8)
    assert np.array_equal(_sieved(nothing, 9, tmp_path, 2), nothing)


def test_patches_grow_across_strips_in_spirals(tmp_path: Path) -> None:
    rows, columns = np.indices((60, 60)) - 30
    turns = (np.hypot(rows, columns) / 4 + np.arctan2(rows, columns) / (2 * np.pi)) % 3
    values = turns.astype(np.uint8)
    values[::7, ::5] = 3
    for smallest in (4, 100):
        expected = gdal_sieve(values, smallest)
        assert (expected != values).any()
        assert np.array_equal(_sieved(values, smallest, tmp_path, 3), expected)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real maps are not here")
def test_a_real_map_is_sieved_as_by_gdal(tmp_path: Path) -> None:
    with rasterio.open(DATA / "odd_geotiffs" / "lc.tif") as raster:
        values = raster.read(1)
    for smallest in (3, 25):
        expected = gdal_sieve(values, smallest, mask=values != IGNORE)
        assert (expected != values).any()
        for rows in (1, 13, None):
            assert np.array_equal(_sieved(values, smallest, tmp_path, rows), expected)


def _sieved(
    values: npt.NDArray[np.uint8], smallest: int, folder: Path, strip_rows: int | None
) -> npt.NDArray[np.uint8]:
    height, width = values.shape
    rows = Rows(1, height, width, lambda start, stop: values[None, start:stop])
    found = sieve(rows, smallest, folder, strip_rows)
    half = height // 2
    parts = [found.read(0, half), found.read(half, height)]
    whole: npt.NDArray[np.uint8] = np.concatenate(parts, axis=1)[0]
    return whole
