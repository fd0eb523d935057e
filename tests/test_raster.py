"""Reading rasters: bands, windows, where there is data, and what cannot be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from dnas_cli.errors import DataError
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.raster import Window, open_raster

WriteRaster = Callable[..., Path]


@pytest.fixture
def write_raster(tmp_path: Path) -> WriteRaster:
    """Write bands (B, H, W) to a GeoTIFF."""

    def write(values: npt.NDArray[Any], mask: npt.NDArray[Any] | None = None, **more: Any) -> Path:
        path = tmp_path / "scene.tif"
        descriptions = more.pop("descriptions", None)
        colours = more.pop("colours", None)
        count, height, width = values.shape
        profile = {"driver": "GTiff", "photometric": "MINISBLACK", "dtype": values.dtype, **more}
        with (
            without_georeference(),
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"),
            rasterio.open(path, "w", count=count, height=height, width=width, **profile) as raster,
        ):
            if colours:
                raster.colorinterp = [ColorInterp[colour] for colour in colours]
            raster.write(values)
            if descriptions:
                raster.descriptions = descriptions
            if mask is not None:
                raster.write_mask(mask)
        return path

    return write


def _whole(path: Path, **more: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    with open_raster(path, **more) as scene:
        return scene.read_with_validity(Window(0, 0, scene.height, scene.width))


def test_bands_are_named_by_description_then_colour_then_number(write_raster: WriteRaster) -> None:
    values = np.zeros((4, 2, 2), np.uint8)
    path = write_raster(
        values,
        descriptions=("Blue", None, None, "Band_4"),
        colours=("undefined", "green", "red", "undefined"),
    )
    with open_raster(path) as scene:
        assert scene.bands == ("Blue", "green", "red", "4")


def test_bands_are_chosen_by_name_or_number_in_any_order(write_raster: WriteRaster) -> None:
    values = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((3, 2, 2), np.uint8)
    path = write_raster(values, descriptions=("red", "green", "nir"))
    with open_raster(path, ["NIR", 1, "2"]) as scene:
        assert scene.bands == ("nir", "red", "green")
        assert scene.read(Window(0, 0, 1, 1))[:, 0, 0].tolist() == [2, 0, 1]


def test_a_band_that_does_not_exist_is_refused_with_those_that_do(
    write_raster: WriteRaster,
) -> None:
    path = write_raster(np.zeros((2, 2, 2), np.uint8), descriptions=("red", "green"))
    with pytest.raises(DataError, match="no band 'nir'") as refused:
        open_raster(path, ["nir"])
    assert "red, green" in str(refused.value)


def test_a_window_reads_its_pixels_only(write_raster: WriteRaster) -> None:
    values = np.arange(20, dtype=np.uint16).reshape(1, 4, 5)
    with open_raster(write_raster(values)) as scene:
        assert scene.read(Window(1, 2, 2, 3)).tolist() == values[:, 1:3, 2:5].tolist()


def test_zero_as_nodata_needs_all_bands_because_dark_pixels_are_real(
    write_raster: WriteRaster,
) -> None:
    values = np.array([[[0, 0, 7]], [[0, 9, 8]]], np.uint8)
    _, valid = _whole(write_raster(values, nodata=0))
    assert valid.tolist() == [[False, True, True]]


def test_a_nodata_that_nothing_measures_needs_one_band(write_raster: WriteRaster) -> None:
    values = np.array([[[-9999, 5, 7]], [[3, -9999, 8]]], np.int16)
    _, valid = _whole(write_raster(values, nodata=-9999))
    assert valid.tolist() == [[False, False, True]]


def test_nodata_of_float32_is_found_though_the_header_holds_more_digits(
    write_raster: WriteRaster,
) -> None:
    lowest = np.finfo(np.float32).min
    _, valid = _whole(write_raster(np.array([[[lowest, 1.0]]], np.float32), nodata=float(lowest)))
    assert valid.tolist() == [[False, True]]


def test_nan_and_infinity_are_never_data(write_raster: WriteRaster) -> None:
    values = np.array([[[np.nan, 1, np.inf, 2]], [[1, 1, 1, 2]]], np.float32)
    _, valid = _whole(write_raster(values))
    assert valid.tolist() == [[False, True, False, True]]


def test_given_nodata_replaces_the_declared_one(write_raster: WriteRaster) -> None:
    path = write_raster(np.array([[[0, 5, 7]]], np.uint8), nodata=0)
    assert _whole(path, nodata=5.0)[1].tolist() == [[True, False, True]]
    assert _whole(path, nodata=float("nan"))[1].all()


def test_an_internal_mask_is_honoured(write_raster: WriteRaster) -> None:
    mask = np.array([[0, 255, 255]], np.uint8)
    path = write_raster(np.ones((3, 1, 3), np.uint8), mask=mask)
    assert _whole(path)[1].tolist() == [[False, True, True]]


def test_alpha_is_a_mask_and_no_band(write_raster: WriteRaster) -> None:
    values = np.ones((4, 1, 2), np.uint16)
    values[3] = [[0, 1]]  # 1 of 65535 is zero in 8 bits, and yet it is not clear
    path = write_raster(values, colours=("blue", "green", "red", "alpha"))
    with open_raster(path) as scene:
        assert scene.bands == ("blue", "green", "red")
    assert _whole(path)[1].tolist() == [[False, True]]


def test_alpha_asked_for_by_number_is_data(write_raster: WriteRaster) -> None:
    values = np.arange(8, dtype=np.uint8).reshape(4, 1, 2)
    values[3] = [[0, 7]]
    path = write_raster(values, colours=("red", "green", "blue", "alpha"))
    read, valid = _whole(path, bands=[1, 2, 3, 4])
    assert read[3].tolist() == [[0, 7]]
    assert valid.all()


def test_values_are_read_as_stored_unless_scaling_is_asked_for(real_data: Path) -> None:
    path = real_data / "odd_geotiffs/cog_scale.tif"
    window = Window(100, 100, 1, 1)
    with open_raster(path) as stored, open_raster(path, scaled=True) as scaled:
        assert (stored.dtype, scaled.dtype) == ("int16", "float32")
        expected = stored.read(window)[:, 0, 0] * [0.0001, 0.001] + [1000, 2000]
        assert scaled.read(window)[:, 0, 0] == pytest.approx(expected)


def test_every_form_of_georeference_is_reported(write_raster: WriteRaster, tmp_path: Path) -> None:
    pixels = np.ones((1, 4, 4), np.uint8)
    turned = Affine(2, 1, 500, 1, -2, 900)
    with open_raster(write_raster(pixels, crs="EPSG:32631", transform=turned)) as scene:
        assert scene.georeference.transform == (2, 1, 500, 1, -2, 900)
        assert "UTM zone 31N" in (scene.georeference.crs_wkt or "")
        assert scene.georeference.has_map_coordinates
    points = [GroundControlPoint(row, column, column, -row) for row in (0, 3) for column in (0, 3)]
    with open_raster(write_raster(pixels, gcps=points, crs="EPSG:4326")) as scene:
        assert scene.georeference.transform is None
        assert len(scene.georeference.gcps) == 4
        assert "WGS 84" in (scene.georeference.gcp_crs_wkt or "")


def test_a_preview_is_small_and_knows_where_there_is_data(real_data: Path) -> None:
    with open_raster(real_data / "odd_geotiffs/rgb_deflate.tif") as scene:
        values, valid = scene.preview(100)
    assert values.shape == (3, 91, 100)
    assert 0.6 < valid.mean() < 0.75


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.tif", "no such file"),
        ("odd_geotiffs", "is a folder"),
        ("README.md", "cannot be opened as a raster"),
        ("odd_geotiffs/sar_vv.tif", "complex numbers"),
    ],
)
def test_what_cannot_be_read_is_one_message_with_the_name(
    real_data: Path, name: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_raster(real_data / name)
    assert str(real_data / name) in refused.value.what


def test_a_damaged_file_says_where(real_data: Path) -> None:
    with (
        open_raster(real_data / "odd_geotiffs/corrupt.tif") as scene,
        pytest.raises(DataError, match="cannot be read at row 0"),
    ):
        scene.read(Window(0, 0, scene.height, scene.width))
