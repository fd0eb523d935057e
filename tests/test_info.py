"""`dnas info`: what a file is, as text and as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dnas_cli.app import app


def _facts(runner: CliRunner, path: Path) -> Any:
    result = runner.invoke(app, ["info", str(path), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_scene_is_told_with_bands_place_storage_and_values(
    runner: CliRunner, real_data: Path
) -> None:
    facts = _facts(runner, real_data / "naip_nd/m_4709963_se_14_1_20100629.tif")
    assert facts["kind"] == "raster"
    assert (facts["width"], facts["height"], facts["dtype"]) == (934, 723, "uint8")
    assert facts["nodata"] == 0
    assert [band["name"] for band in facts["bands"]] == ["1", "2", "3", "4"]
    assert (facts["bands"][0]["min"], facts["bands"][0]["max"]) == (26, 244)
    assert facts["georeference"]["epsg"] == 26914
    assert facts["georeference"]["pixel_size"] == [5, 5]


def test_an_undeclared_collar_is_pointed_out(runner: CliRunner, real_data: Path) -> None:
    path = real_data / "landsat8_scene/LC08_L1TP_224078_20200518_20200518_01_RT.TIF"
    result = runner.invoke(app, ["info", str(path)])
    assert "not declared" in result.stdout
    assert "16.5 % are 0 in all bands" in result.stdout
    assert "(EPSG:32621)" in result.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cog_cmap.tif", "class indices with a palette"),
        ("cog_gcps.tif", "210 ground control points"),
        ("inverted_lat.tif", "south up"),
        ("umbra_mount_yasur.tiff", "rotated"),
        ("cog_rgb_mask.tif", "no data       mask; 96.9 %"),
        ("RGBA.uint16.tif", "alpha band"),
        ("image_nan.tif", "NaN"),
        ("cog_scale.tif", "scale 0.001, offset 2000"),
        ("all-nodata.tif", "0.0 % of the pixels hold data"),
    ],
)
def test_what_is_odd_about_a_file_is_told(
    name: str, said: str, runner: CliRunner, real_data: Path
) -> None:
    path = real_data / "odd_geotiffs" / name
    result = runner.invoke(app, ["info", str(path)])
    assert result.exit_code == 0
    assert said in result.stdout
    _facts(runner, path)


@pytest.mark.parametrize("name", ["corrupt.tif", "sar_vv.tif", "missing.tif"])
def test_what_cannot_be_read_is_bad_input(name: str, runner: CliRunner, real_data: Path) -> None:
    path = real_data / "odd_geotiffs" / name
    result = runner.invoke(app, ["info", str(path)])
    assert result.exit_code == 4
    assert str(path) in result.stderr
    assert "Traceback" not in result.output
