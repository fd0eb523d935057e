"""Every odd file of the collection ends as a right map or as one clear message."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.raster import Window, open_raster
from tests.support.command_line import dnas
from tests.support.small_models import write_model

# What becomes of each file with a model of as many bands as it has. "map": it is mapped whole; a
# share: that much of it holds data; a text: the message that refuses it.
EXPECTED: dict[str, str | float] = {
    "L7_ETMs.tif": "map",
    "RGBA.uint16.tif": 0.489,
    "all-nodata.tif": 0.0,
    "alpha.tif": 0.0155,
    "cog_cmap.tif": 0.555,
    "cog_gcps.tif": "map",
    "cog_nonearth.tif": 0.0975,
    "cog_rgb_mask.tif": 0.969,
    "cog_scale.tif": 0.9999,
    "corrupt.tif": "cannot be read",
    "geomatrix.tif": "map",
    "image_nan.tif": 0.431,
    "image_webp.tif": "map",
    "inverted_lat.tif": 0.0,
    "landsat_1990_bigendian.tif": "map",
    "lc.tif": "map",
    "mosaic_cog3.tif": 0.657,
    "rgb_deflate.tif": 0.675,
    "rotated.tif": "map",
    "sar_vv.tif": "holds complex numbers",
    "umbra_mount_yasur.tiff": "map",
}


# So large that mapping it takes longer than all others: its pixels with data are counted alone.
READ_ONLY = "cog_cmap.tif"


def test_the_table_names_every_file_of_the_collection(real_data: Path) -> None:
    files = {path.name for path in (real_data / "odd_geotiffs").iterdir()}
    assert files == set(EXPECTED)


def test_a_large_file_with_a_colour_table_holds_data_where_it_says(real_data: Path) -> None:
    with open_raster(real_data / "odd_geotiffs" / READ_ONLY) as scene:
        valid = scene.valid(Window(0, 0, scene.height, scene.width))
    assert valid.mean() == pytest.approx(EXPECTED[READ_ONLY], abs=0.001)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != READ_ONLY])
def test_an_odd_file_is_mapped_rightly_or_refused_clearly(
    name: str, real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "odd_geotiffs" / name
    model, out = _fitting_model(path, tmp_path / "model.pt"), tmp_path / "map.tif"
    expected = EXPECTED[name]
    unreadable = isinstance(expected, str) and expected != "map"
    command = ("predict", model, path, "--out", out, "--overlap", 0)
    result = dnas(*command, code=4 if unreadable else 0)
    if unreadable:
        assert str(expected) in result.stderr
        assert str(path) in result.stderr
        assert list(tmp_path.iterdir()) == [model]  # nothing half-written
        return
    with open_raster(path) as scene, without_georeference(), rasterio.open(out) as made:
        valid = scene.valid(Window(0, 0, scene.height, scene.width))
        indices = made.read(1)
        assert np.array_equal(indices == 255, ~valid)
        assert valid.mean() == pytest.approx(1 if expected == "map" else expected, abs=0.001)
        assert made.crs == scene.dataset.crs
        assert made.transform == scene.dataset.transform
        assert len(made.gcps[0]) == len(scene.dataset.gcps[0])


def _fitting_model(path: Path, target: Path) -> Path:
    """Write a model for the bands and values of a file."""
    try:
        with open_raster(path) as scene:
            bands, dtype = scene.file_bands, scene.dtype
            values, valid = scene.preview(64)
        largest = float(values[:, valid].max()) if valid.any() else 1.0
    except Exception:
        bands, dtype, largest = ("red", "green", "blue"), "uint8", 255.0
    return write_model(target, bands, dtype, tile_size=512, largest=largest or 1.0)
