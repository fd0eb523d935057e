"""What `dnas predict` makes of a scene: its place, its bands, its values."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import Affine

from dnas_cli.scenes.opening import without_georeference
from tests.support.command_line import dnas
from tests.support.predicting import read, write_scene
from tests.support.small_models import write_model

NAIP = "naip_nd/m_4709963_se_14_1_20100629.tif"
LANDSAT = "landsat8_scene/LC08_L1TP_224078_20200518_20200518_01_RT.TIF"


PLACES = {
    "north up": {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)},
    "south up": {"crs": "EPSG:4326", "transform": Affine(0.5, 0, -180, 0, 0.5, -60)},
    "rotated": {"crs": "EPSG:3857", "transform": Affine(3, 1, 7e5, 1, -3, 4e6)},
    "no CRS": {"transform": Affine(2, 0, 100, 0, -2, 200)},
    "nothing": {},
}


@pytest.mark.parametrize("place", PLACES)
def test_the_georeference_of_the_scene_is_that_of_the_map(
    place: str, models: dict[str, Path], tmp_path: Path
) -> None:
    scene = write_scene(tmp_path / "scene.tif", **PLACES[place])
    tiff, picture = tmp_path / "map.tif", tmp_path / "map.png"
    dnas("predict", models["rgb"], scene, "-o", tiff, "-o", picture)
    with without_georeference(), rasterio.open(scene) as old:
        for path in (tiff, picture):
            with rasterio.open(path) as new:
                assert new.transform.almost_equals(old.transform, 1e-9)
                assert new.crs == old.crs


def test_a_picture_does_not_keep_the_place_of_the_one_before(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out, nowhere = tmp_path / "map.png", write_scene(tmp_path / "nowhere.tif")
    dnas("predict", models["rgb"], scene, "-o", out)
    dnas("predict", models["rgb"], nowhere, "-o", out, "--overwrite")
    with without_georeference(), rasterio.open(out) as picture:
        assert picture.transform.is_identity
        assert picture.crs is None


def test_ground_control_points_and_rpcs_are_kept(
    models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    model = write_model(tmp_path / "one.pt", ("1",), "uint16", largest=700)
    dnas("predict", model, real_data / "odd_geotiffs/cog_gcps.tif", "-o", out)
    with (
        without_georeference(),
        rasterio.open(out) as new,
        rasterio.open(real_data / "odd_geotiffs/cog_gcps.tif") as old,
    ):
        assert [point.asdict() | {"id": ""} for point in new.gcps[0]] == [
            point.asdict() | {"id": ""} for point in old.gcps[0]
        ]
        assert new.gcps[1] == old.gcps[1]
    coefficients = [1.0] + [0.0] * 19
    scene = write_scene(tmp_path / "scene.tif")
    with without_georeference(), rasterio.open(scene, "r+") as raster:
        raster.rpcs = RPC(
            height_off=100, height_scale=500, lat_off=45, lat_scale=1, line_den_coeff=coefficients,
            line_num_coeff=coefficients, line_off=75, line_scale=75, long_off=9, long_scale=1,
            samp_den_coeff=coefficients, samp_num_coeff=coefficients, samp_off=65, samp_scale=65,
        )  # fmt: skip
    dnas("predict", models["rgb"], scene, "-o", tmp_path / "rpc.tif")
    with (
        without_georeference(),
        rasterio.open(tmp_path / "rpc.tif") as new,
        rasterio.open(scene) as old,
    ):
        assert new.rpcs.to_gdal() == old.rpcs.to_gdal()


def test_real_landsat_with_an_undeclared_collar(
    models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.png"
    command = ("predict", models["landsat"], real_data / LANDSAT, "-o", out, "--window", 512)
    said = dnas(*command)
    assert "if they hold no data, give 0 as nodata" in said.stderr
    assert (read(out) != 255).all()
    dnas(*command, "--nodata", 0, "--overwrite")
    with rasterio.open(real_data / LANDSAT) as raster:
        collar = (raster.read() == 0).all(axis=0)
    assert np.array_equal(read(out) == 255, collar)


def test_three_bands_for_a_model_of_four_is_bad_input(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    said = dnas("predict", models["rgbn"], scene, "-o", tmp_path / "map.tif", code=4)
    assert "has 3 bands (red, green, blue); the model needs 4 bands" in said.stderr
    assert not (tmp_path / "map.tif.part").exists()


def test_named_bands_are_brought_into_the_models_order(
    models: dict[str, Path], tmp_path: Path
) -> None:
    straight = write_scene(tmp_path / "straight.tif", crs="EPSG:32631")
    with rasterio.open(straight) as raster:
        values, profile = raster.read(), raster.profile
    profile |= {"photometric": "MINISBLACK"}
    turned = tmp_path / "turned.tif"
    with rasterio.open(turned, "w", **profile) as raster:
        raster.write(values[::-1])
        raster.descriptions = ("blue", "green", "red")
    dnas("predict", models["rgb"], straight, "-o", tmp_path / "a.tif")
    said = dnas("predict", models["rgb"], turned, "-o", tmp_path / "b.tif")
    assert "bands read as red, green, blue" in said.stderr
    dnas("predict", models["rgb"], turned, "-o", tmp_path / "c.tif", "--bands", "3,2,1")
    assert np.array_equal(read(tmp_path / "a.tif"), read(tmp_path / "b.tif"))
    assert np.array_equal(read(tmp_path / "a.tif"), read(tmp_path / "c.tif"))


def test_scale_and_offset_are_applied_on_request(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    with rasterio.open(scene) as raster:
        values, profile = raster.read(), raster.profile
    stored = tmp_path / "stored.tif"
    with rasterio.open(stored, "w", **profile | {"dtype": "int16"}) as raster:
        raster.write((values.astype(np.int16) - 100) * 2)
        raster.scales, raster.offsets = (0.5,) * 3, (100,) * 3
    dnas("predict", models["rgb"], scene, "-o", tmp_path / "plain.tif")
    dnas("predict", models["rgb"], stored, "-o", tmp_path / "scaled.tif", "--scaled")
    assert np.array_equal(read(tmp_path / "plain.tif"), read(tmp_path / "scaled.tif"))
    said = dnas("predict", models["rgb"], stored, "-o", tmp_path / "as_stored.tif")
    assert "values are read as stored" in said.stderr
    assert not np.array_equal(read(tmp_path / "plain.tif"), read(tmp_path / "as_stored.tif"))


def test_near_infrared_that_gdal_calls_alpha_is_a_band(
    models: dict[str, Path], tmp_path: Path
) -> None:
    scene = write_scene(tmp_path / "scene.tif", count=4)
    with without_georeference(), rasterio.open(scene) as raster:
        assert raster.colorinterp[3] == ColorInterp.alpha
    said = dnas("predict", models["rgbn"], scene, "-o", tmp_path / "map.tif")
    assert "is called alpha but holds other data" in said.stderr
    assert (read(tmp_path / "map.tif") != 255).all()


def test_a_scene_of_another_product_is_doubted(
    models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    mosaic = real_data / "odd_geotiffs/mosaic_cog3.tif"
    said = dnas("predict", models["rgb"], mosaic, "-o", tmp_path / "map.tif", "--json")
    assert "values are uint16, the model was trained on uint8" in said.stderr
    assert "looks like another product" in json.loads(said.stdout)[0]["warnings"][0]
    naip = dnas("predict", models["rgbn"], real_data / NAIP, "-o", tmp_path / "naip.tif")
    assert "another product" not in naip.stderr
