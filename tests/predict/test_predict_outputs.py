"""What `dnas predict` writes: every form of a map, whole or not at all."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from dnas_cli.mapping.unfinished_map import part_folder
from tests.support.command_line import dnas
from tests.support.predicting import read, write_scene


def test_one_pass_writes_every_form_of_the_same_map(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / f"out/map{suffix}" for suffix in (".tif", ".png", ".gpkg", ".geojson")]
    out = [argument for path in outputs for argument in ("--out", path)]
    more = {name: tmp_path / f"out/{name}" for name in ("probabilities", "confidence")}
    dnas(
        "predict", models["rgb"], scene, *out,
        "--probabilities", more["probabilities"].with_suffix(".tif"),
        "--confidence", more["confidence"].with_suffix(".tif"),
        "--overlay", tmp_path / "out/overlay.png",
    )  # fmt: skip
    indices = read(outputs[0])
    assert indices.shape == (150, 130)
    assert set(np.unique(indices)) <= {0, 1, 2}
    assert len(np.unique(indices)) > 1  # else nothing below means much

    with Image.open(outputs[1]) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), indices)
        palette = picture.getpalette()
        assert palette is not None
        assert palette[:9] == [255, 0, 0, 0, 255, 0, 0, 0, 255]

    with rasterio.open(more["probabilities"].with_suffix(".tif")) as raster:
        shares = raster.read()
        assert raster.descriptions == ("built-up", "farmland", "water")
        assert raster.scales == pytest.approx((1 / 254,) * 3)
    assert np.array_equal(shares.argmax(axis=0)[shares.max(0) > 130], indices[shares.max(0) > 130])
    assert np.abs(shares.astype(int).sum(axis=0) - 254).max() <= 2
    assert np.array_equal(read(more["confidence"].with_suffix(".tif")), shares.max(axis=0))

    with Image.open(tmp_path / "out/overlay.png") as overlay:
        assert overlay.width >= 130
        assert overlay.height > 150  # the legend is below

    left_over = {path.name for path in (tmp_path / "out").iterdir()}
    assert left_over == {
        "map.tif", "map.tif.aux.xml", "map.qml", "map.png", "map.png.aux.xml", "map.pgw",
        "map.gpkg", "map.geojson", "probabilities.tif", "confidence.tif", "overlay.png",
    }  # fmt: skip


def test_a_map_is_a_valid_cloud_optimized_geotiff_with_colours_names_and_nodata(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    dnas("predict", models["rgb"], scene, "-o", out)
    with rasterio.open(out) as raster:
        assert raster.nodata == 255
        assert raster.colorinterp == (ColorInterp.palette,)
        assert raster.colormap(1)[2] == (0, 0, 255, 255)
        assert raster.tags()["CLASS_NAMES"] == "built-up,farmland,water"
        assert raster.tags(1)["CLASS_1"] == "farmland"
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    dnas("predict", models["rgb"], scene, "-o", out.with_suffix(".png"))
    for name in ("map.tif", "map.png"):
        categories = ElementTree.parse(tmp_path / f"{name}.aux.xml").iter("Category")
        assert [item.text for item in categories] == ["built-up", "farmland", "water"]
    cogeo = pytest.importorskip("rio_cogeo.cogeo")
    assert cogeo.cog_validate(out, quiet=True) == (True, [], [])


@pytest.mark.parametrize("value", [3, 200])
def test_pixels_without_data_get_the_value_that_was_asked_for_in_every_form(
    value: int, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    with rasterio.open(scene, "r+") as raster:
        raster.nodata = 0
        values = raster.read()
        values[:, 20:70, 30:90] = 0
        raster.write(values)
    usual, asked = tmp_path / "usual", tmp_path / "asked"
    for folder, more in ((usual, ()), (asked, ("--map-nodata", value))):
        outs = [item for end in ("tif", "png", "gpkg") for item in ("-o", folder / f"map.{end}")]
        said = dnas(
            "predict", models["rgb"], scene, *outs, *more, "--overlay", folder / "view.png",
            "--confidence", folder / "sure.tif", "--json",
        )  # fmt: skip
    assert json.loads(said.stdout)[0]["map_nodata"] == value
    before = read(usual / "map.tif")
    assert (before == 255).any()
    for name in ("map.tif", "map.png"):
        with rasterio.open(asked / name) as raster:
            assert np.array_equal(raster.read(1), np.where(before == 255, value, before))
            assert raster.nodata == value
            assert raster.colormap(1)[value] == (0, 0, 0, 0)
            assert raster.colormap(1)[2] == (0, 0, 255, 255)
            assert np.array_equal(raster.read_masks(1) > 0, before != 255)
    with Image.open(asked / "map.png") as picture:
        clear = np.asarray(picture.convert("RGBA"))[..., 3] == 0
    assert np.array_equal(clear, before == 255)
    assert max(pyogrio.read(asked / "map.gpkg", layer="map")[3][1]) <= 2
    for name in ("map.gpkg", "view.png", "sure.tif"):
        if name != "map.gpkg":  # which holds the time it was written
            assert (asked / name).read_bytes() == (usual / name).read_bytes()
    areas = [
        pyogrio.read(folder / "map.gpkg", layer="map")[3][2].sum() for folder in (usual, asked)
    ]
    assert areas[0] == areas[1] == pytest.approx(100 * (before != 255).sum() / 0.9996**2, rel=1e-5)


def test_an_interrupted_map_can_go_on_with_another_value_for_no_data(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (models["rgb"], scene, "-o", tmp_path / "map.tif", "--nodata", 17)
    monkeypatch.setattr("dnas_cli.mapping.write_outputs.write_cog", None)
    assert dnas("predict", *arguments, code=None).exit_code == 1
    monkeypatch.undo()
    said = dnas("predict", *arguments, "--map-nodata", 9)
    assert "all rows are finished" in said.stderr
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.nodata == 9
        assert 255 not in raster.read(1)


def test_an_existing_map_is_refused_and_replaced_on_request(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    out.write_bytes(b"precious")
    said = dnas("predict", models["rgb"], scene, "-o", out, code=3)
    assert "exists already" in said.stderr
    assert out.read_bytes() == b"precious"
    assert not part_folder(out).exists()
    dnas("predict", models["rgb"], scene, "-o", out, "--overwrite")
    assert read(out).shape == (150, 130)


def test_a_file_that_a_full_disk_cut_short_never_becomes_the_map(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = rasterio.shutil.copy

    def cut_short(source: str, target: str, **options: Any) -> None:
        copy(source, target, **options)
        with Path(target).open("r+b") as file:  # as GDAL leaves it, without an error
            file.truncate(Path(target).stat().st_size - 200)

    monkeypatch.setattr("rasterio.shutil.copy", cut_short)
    said = dnas("predict", models["rgb"], scene, "-o", tmp_path / "map.tif", code=1)
    assert "map.tif: was not written whole" in said.stderr
    assert not (tmp_path / "map.tif").exists()


def test_a_crs_that_a_geotiff_cannot_hold_is_beside_every_output(
    models: dict[str, Path], tmp_path: Path
) -> None:
    rotated = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +ellps=WGS84"
    scene = write_scene(tmp_path / "scene.tif", crs=CRS.from_user_input(rotated))
    out, sure = tmp_path / "map.tif", tmp_path / "sure.tif"
    change = tmp_path / "change.tif"
    said = dnas("predict", models["rgb"], scene, "-o", out, "--confidence", sure).stderr
    said += dnas("change", out, out, "-o", change).stderr
    for path in (out, sure, change):
        assert f"{path}: a GeoTIFF cannot hold the coordinate reference system" in said
        with rasterio.open(path) as raster, rasterio.open(scene) as source:
            assert raster.crs == source.crs
