"""`dnas predict` as a user meets it: scenes in, maps out, and what it says when it cannot."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasterio.shutil
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.features import rasterize
from rasterio.rpc import RPC
from rasterio.transform import Affine
from small_models import CLASSES, light_head, write_model
from typer.testing import CliRunner

from dnas_cli.app import app
from dnas_cli.mapping.blending import MapRows
from dnas_cli.mapping.part_file import part_folder
from dnas_cli.mapping.stream import stream_map
from dnas_cli.scenes.raster import without_georeference

Predict = Callable[..., Any]

NAIP = "naip_nd/m_4709963_se_14_1_20100629.tif"
LANDSAT = "landsat8_scene/LC08_L1TP_224078_20200518_20200518_01_RT.TIF"


@pytest.fixture(scope="module", autouse=True)
def _light_networks() -> Iterator[None]:
    with light_head():
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, _light_networks: None) -> dict[str, Path]:
    """Models for three bands, four bands and Landsat's 16 bits."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "rgb": write_model(folder / "rgb.pt"),
        "rgbn": write_model(folder / "rgbn.pt", ("red", "green", "blue", "nir")),
        "landsat": write_model(
            folder / "landsat.pt", ("blue", "green", "red"), "uint16", largest=16_000
        ),
    }


@pytest.fixture
def predict(runner: CliRunner) -> Predict:
    """Run `dnas predict` and return its result."""

    def run(*arguments: str | Path, code: int = 0) -> Any:
        result = runner.invoke(app, ["predict", *map(str, arguments)])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A placed scene of red, green and blue with some structure, 150 x 130 pixels."""
    return write_scene(tmp_path / "scene.tif", crs="EPSG:32631")


def write_scene(path: Path, count: int = 3, seed: int = 0, **profile: Any) -> Path:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 10, 9)).astype(np.uint8)
    values = np.repeat(np.repeat(coarse, 15, axis=1), 15, axis=2)[:, :150, :130]
    if profile.get("crs") and "transform" not in profile:
        profile["transform"] = Affine(10, 0, 500_000, 0, -10, 4_000_000)
    with (
        without_georeference(),
        rasterio.open(
            path, "w", driver="GTiff", count=count, height=150, width=130, dtype="uint8",
            **profile,
        ) as raster,
    ):  # fmt: skip
        raster.write(values)
    return path


def read(path: Path) -> npt.NDArray[Any]:
    with without_georeference(), rasterio.open(path) as raster:
        values: npt.NDArray[Any] = raster.read(1)
    return values


def test_one_pass_writes_every_form_of_the_same_map(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / f"out/map{suffix}" for suffix in (".tif", ".png", ".gpkg", ".geojson")]
    out = [argument for path in outputs for argument in ("--out", path)]
    more = {name: tmp_path / f"out/{name}" for name in ("probabilities", "confidence")}
    predict(
        models["rgb"], scene, *out,
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
        assert picture.getpalette()[:9] == [255, 0, 0, 0, 255, 0, 0, 0, 255]

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
        "map.tif", "map.tif.aux.xml", "map.png", "map.png.aux.xml", "map.pgw", "map.gpkg",
        "map.geojson", "probabilities.tif", "confidence.tif", "overlay.png",
    }  # fmt: skip


def test_polygons_rasterise_back_to_the_map(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    shapely = pytest.importorskip("shapely")
    package, json_file, tiff = (tmp_path / f"map{end}" for end in (".gpkg", ".geojson", ".tif"))
    predict(models["rgb"], scene, "-o", package, "-o", json_file, "-o", tiff)
    meta, _, geometries, columns = pyogrio.read(package)
    assert meta["crs"] == "EPSG:32631"
    assert list(meta["fields"]) == ["class", "index", "area_m2"]
    polygons = shapely.from_wkb(geometries)
    with rasterio.open(tiff) as raster:
        back = rasterize(
            list(zip(polygons, columns[1], strict=True)),
            out_shape=raster.shape, transform=raster.transform, fill=255, dtype="uint8",
        )  # fmt: skip
        assert np.array_equal(back, raster.read(1))
    assert [CLASSES[index].name for index in columns[1]] == list(columns[0])
    assert columns[2].sum() == pytest.approx(150 * 130 * 100)
    meta, _, geometries, _ = pyogrio.read(json_file)
    west, south, east, north = shapely.total_bounds(shapely.from_wkb(geometries))
    assert meta["crs"] == "EPSG:4326"
    assert 2.9 < west < east < 3.1
    assert 36 < south < north < 36.2


@pytest.mark.parametrize("system", ["EPSG:3857", "EPSG:4326"])
def test_areas_are_those_on_the_ground(
    system: str, predict: Predict, models: dict[str, Path], tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    # 150 x 130 pixels of 0.0001 degrees at 60 degrees north; there Mercator doubles lengths.
    place = {
        "EPSG:4326": Affine(1e-4, 0, 10, 0, -1e-4, 60),
        "EPSG:3857": Affine(11.132, 0, 1.1132e6, 0, -22.24, 8399738),
    }[system]
    scene = write_scene(tmp_path / "scene.tif", crs=system, transform=place)
    said = predict(models["rgb"], scene, "-o", tmp_path / "map.gpkg", "--json")
    areas = pyogrio.read(tmp_path / "map.gpkg")[3][2]
    assert areas.sum() == pytest.approx(150 * 11.14 * 130 * 5.58, rel=0.01)
    assert {item["area_km2"] for item in json.loads(said.stdout)[0]["classes"]} == {None}


def test_small_polygons_are_left_out_and_borders_stay_shared_when_simplified(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    shapely = pytest.importorskip("shapely")
    out = tmp_path / "map.gpkg"
    predict(models["rgb"], scene, "-o", out, "--simplify", 25)
    geometries = shapely.from_wkb(pyogrio.read(out)[2])
    assert shapely.coverage_is_valid(geometries)
    predict(models["rgb"], scene, "-o", out, "--min-area", 5000, "--overwrite")
    areas = pyogrio.read(out)[3][2]
    assert 0 < len(areas) < len(geometries)
    assert areas.min() >= 5000


def test_a_map_is_a_valid_cloud_optimized_geotiff_with_colours_names_and_nodata(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    predict(models["rgb"], scene, "-o", out)
    with rasterio.open(out) as raster:
        assert raster.nodata == 255
        assert raster.colorinterp == (ColorInterp.palette,)
        assert raster.colormap(1)[2] == (0, 0, 255, 255)
        assert raster.tags()["CLASS_NAMES"] == "built-up,farmland,water"
        assert raster.tags(1)["CLASS_1"] == "farmland"
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    predict(models["rgb"], scene, "-o", out.with_suffix(".png"))
    for name in ("map.tif", "map.png"):
        categories = ElementTree.parse(tmp_path / f"{name}.aux.xml").iter("Category")
        assert [item.text for item in categories] == ["built-up", "farmland", "water"]
    cogeo = pytest.importorskip("rio_cogeo.cogeo")
    assert cogeo.cog_validate(out, quiet=True) == (True, [], [])


@pytest.mark.parametrize("value", [3, 200])
def test_pixels_without_data_get_the_value_that_was_asked_for_in_every_form(
    value: int, predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
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
        said = predict(
            models["rgb"], scene, *outs, *more, "--overlay", folder / "view.png",
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
    assert max(pyogrio.read(asked / "map.gpkg")[3][1]) <= 2
    for name in ("map.gpkg", "view.png", "sure.tif"):
        if name != "map.gpkg":  # which holds the time it was written
            assert (asked / name).read_bytes() == (usual / name).read_bytes()
    areas = [pyogrio.read(folder / "map.gpkg")[3][2].sum() for folder in (usual, asked)]
    assert areas[0] == areas[1] == pytest.approx(100 * (before != 255).sum())


def test_an_interrupted_map_can_go_on_with_another_value_for_no_data(
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = (models["rgb"], scene, "-o", tmp_path / "map.tif", "--nodata", 17)
    monkeypatch.setattr("dnas_cli.mapping.write_outputs.write_cog", None)
    predict(*arguments, code=1)
    monkeypatch.undo()
    said = predict(*arguments, "--map-nodata", 9)
    assert "all rows are finished" in said.stderr
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.nodata == 9
        assert 255 not in raster.read(1)


@pytest.mark.parametrize("form", ["indices", "colours", "palette"])
def test_a_map_is_compared_with_a_label_in_any_form(
    form: str, predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    predict(models["rgb"], scene, "-o", tmp_path / "map.tif")
    truth = read(tmp_path / "map.tif").copy()
    truth[:15] = 255  # without label
    truth[100:, :] = (truth[100:, :] + 1) % 3  # all wrong
    label = tmp_path / "label.png"
    colours = np.array([item.colour for item in CLASSES], np.uint8)
    if form == "indices":
        Image.fromarray(truth).save(label)
    elif form == "colours":
        Image.fromarray(np.where(truth[..., None] == 255, 9, colours[truth % 3])).save(label)
    else:  # in an order of its own
        picture = Image.fromarray(np.where(truth == 255, 0, 3 - truth))
        picture.putpalette([7, 7, 7, *colours[::-1].ravel().tolist()])
        picture.save(label)
    said = predict(models["rgb"], scene, "-o", tmp_path / "map2.tif", "--truth", label, "--json")
    result = json.loads(said.stdout)[0]["truth"]
    assert result["metrics"]["pixels"] == 135 * 130
    assert result["metrics"]["overall_accuracy"] == pytest.approx(85 / 135)
    assert result["unknown_pixels"] == (0 if form == "indices" else 15 * 130)
    if form == "colours":
        assert "1,950 pixels have the colour of no class ((9, 9, 9): 1,950)" in said.stderr


def test_a_label_that_cannot_be_compared_is_refused_before_the_work(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    def refusal(label: Path, code: int = 4) -> str:
        out = tmp_path / "map.tif"
        said = predict(models["rgb"], scene, "-o", out, "--truth", label, code=code)
        assert not list(tmp_path.glob("map.tif*"))
        return str(said.stderr)

    label = tmp_path / "label.png"
    assert "label.png: cannot be opened as a label" in refusal(label)
    Image.new("L", (130, 149)).save(label)
    assert "has 130 x 149 pixels, but the scene" in refusal(label)
    Image.new("L", (130, 150), 255).save(label)
    assert "no pixel has a class" in refusal(label)
    Image.new("RGB", (130, 150), (1, 2, 3)).save(label)
    message = refusal(label)
    assert "the colour of no class ((1, 2, 3): 19,500)" in message
    assert "built-up (255, 0, 0)" in message


def test_one_label_is_not_for_many_scenes(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    shutil.copy(scene, tmp_path / "other.tif")
    said = predict(
        models["rgb"], scene, tmp_path / "other.tif", "-o", tmp_path / "maps", "--truth", scene,
        code=2,
    )  # fmt: skip
    assert "dnas eval MODEL FOLDER" in said.stderr


PLACES = {
    "north up": {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 4e6)},
    "south up": {"crs": "EPSG:4326", "transform": Affine(0.5, 0, -180, 0, 0.5, -60)},
    "rotated": {"crs": "EPSG:3857", "transform": Affine(3, 1, 7e5, 1, -3, 4e6)},
    "no CRS": {"transform": Affine(2, 0, 100, 0, -2, 200)},
    "nothing": {},
}


@pytest.mark.parametrize("place", PLACES)
def test_the_georeference_of_the_scene_is_that_of_the_map(
    place: str, predict: Predict, models: dict[str, Path], tmp_path: Path
) -> None:
    scene = write_scene(tmp_path / "scene.tif", **PLACES[place])
    tiff, picture = tmp_path / "map.tif", tmp_path / "map.png"
    predict(models["rgb"], scene, "-o", tiff, "-o", picture)
    with without_georeference(), rasterio.open(scene) as old:
        for path in (tiff, picture):
            with rasterio.open(path) as new:
                assert new.transform.almost_equals(old.transform, 1e-9)
                assert new.crs == old.crs


def test_a_picture_does_not_keep_the_place_of_the_one_before(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out, nowhere = tmp_path / "map.png", write_scene(tmp_path / "nowhere.tif")
    predict(models["rgb"], scene, "-o", out)
    predict(models["rgb"], nowhere, "-o", out, "--overwrite")
    with without_georeference(), rasterio.open(out) as picture:
        assert picture.transform.is_identity
        assert picture.crs is None


def test_ground_control_points_and_rpcs_are_kept(
    predict: Predict, models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    model = write_model(tmp_path / "one.pt", ("1",), "uint16", largest=700)
    predict(model, real_data / "odd_geotiffs/cog_gcps.tif", "-o", out)
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
    predict(models["rgb"], scene, "-o", tmp_path / "rpc.tif")
    with (
        without_georeference(),
        rasterio.open(tmp_path / "rpc.tif") as new,
        rasterio.open(scene) as old,
    ):
        assert new.rpcs.to_gdal() == old.rpcs.to_gdal()


def test_real_landsat_with_an_undeclared_collar(
    predict: Predict, models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.png"
    said = predict(models["landsat"], real_data / LANDSAT, "-o", out, "--window", 512)
    assert "if they hold no data, give --nodata 0" in said.stderr
    assert (read(out) != 255).all()
    predict(
        models["landsat"], real_data / LANDSAT, "-o", out, "--nodata", 0, "--window", 512,
        "--overwrite",
    )  # fmt: skip
    with rasterio.open(real_data / LANDSAT) as raster:
        collar = (raster.read() == 0).all(axis=0)
    assert np.array_equal(read(out) == 255, collar)


def test_real_naip_dates_with_four_bands_and_a_rerun_that_skips_them(
    predict: Predict, models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "maps"
    arguments = (models["rgbn"], real_data / "naip_nd", "--out", folder, "--window", 256, "--json")
    first = json.loads(predict(*arguments).stdout)
    assert [item["status"] for item in first] == ["done", "done"]
    assert [item["height"] for item in first] == [723, 724]
    assert sum(item["pixels"] for item in first[0]["classes"]) == 723 * 934
    assert sum(item["area_km2"] for item in first[0]["classes"]) == pytest.approx(16.88205)
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = json.loads(predict(*arguments).stdout)
    assert [item["status"] for item in again] == ["skipped", "skipped"]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written


def test_three_bands_for_a_model_of_four_is_bad_input(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    said = predict(models["rgbn"], scene, "-o", tmp_path / "map.tif", code=4)
    assert "has 3 bands (red, green, blue); the model needs 4 bands" in said.stderr
    assert not (tmp_path / "map.tif.part").exists()


def test_named_bands_are_brought_into_the_models_order(
    predict: Predict, models: dict[str, Path], tmp_path: Path
) -> None:
    straight = write_scene(tmp_path / "straight.tif", crs="EPSG:32631")
    with rasterio.open(straight) as raster:
        values, profile = raster.read(), raster.profile
    profile |= {"photometric": "MINISBLACK"}
    turned = tmp_path / "turned.tif"
    with rasterio.open(turned, "w", **profile) as raster:
        raster.write(values[::-1])
        raster.descriptions = ("blue", "green", "red")
    predict(models["rgb"], straight, "-o", tmp_path / "a.tif")
    said = predict(models["rgb"], turned, "-o", tmp_path / "b.tif")
    assert "bands taken as red, green, blue" in said.stderr
    predict(models["rgb"], turned, "-o", tmp_path / "c.tif", "--bands", "3,2,1")
    assert np.array_equal(read(tmp_path / "a.tif"), read(tmp_path / "b.tif"))
    assert np.array_equal(read(tmp_path / "a.tif"), read(tmp_path / "c.tif"))


def test_scale_and_offset_are_applied_on_request(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    with rasterio.open(scene) as raster:
        values, profile = raster.read(), raster.profile
    stored = tmp_path / "stored.tif"
    with rasterio.open(stored, "w", **profile | {"dtype": "int16"}) as raster:
        raster.write((values.astype(np.int16) - 100) * 2)
        raster.scales, raster.offsets = (0.5,) * 3, (100,) * 3
    predict(models["rgb"], scene, "-o", tmp_path / "plain.tif")
    predict(models["rgb"], stored, "-o", tmp_path / "scaled.tif", "--scaled")
    assert np.array_equal(read(tmp_path / "plain.tif"), read(tmp_path / "scaled.tif"))
    said = predict(models["rgb"], stored, "-o", tmp_path / "as_stored.tif")
    assert "--scaled applies them" in said.stderr
    assert not np.array_equal(read(tmp_path / "plain.tif"), read(tmp_path / "as_stored.tif"))


def test_near_infrared_that_gdal_calls_alpha_is_a_band(
    predict: Predict, models: dict[str, Path], tmp_path: Path
) -> None:
    scene = write_scene(tmp_path / "scene.tif", count=4)
    with without_georeference(), rasterio.open(scene) as raster:
        assert raster.colorinterp[3] == ColorInterp.alpha
    said = predict(models["rgbn"], scene, "-o", tmp_path / "map.tif")
    assert "is called alpha but holds other data" in said.stderr
    assert (read(tmp_path / "map.tif") != 255).all()


def test_a_scene_of_another_product_is_doubted(
    predict: Predict, models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    mosaic = real_data / "odd_geotiffs/mosaic_cog3.tif"
    said = predict(models["rgb"], mosaic, "-o", tmp_path / "map.tif", "--json")
    assert "values are uint16, the model was trained on uint8" in said.stderr
    assert "looks like another product" in json.loads(said.stdout)[0]["warnings"][0]
    naip = predict(models["rgbn"], real_data / NAIP, "-o", tmp_path / "naip.tif")
    assert "another product" not in naip.stderr


def test_an_existing_map_is_refused_and_replaced_on_request(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.tif"
    out.write_bytes(b"precious")
    said = predict(models["rgb"], scene, "-o", out, code=3)
    assert "exists already" in said.stderr
    assert out.read_bytes() == b"precious"
    assert not part_folder(out).exists()
    predict(models["rgb"], scene, "-o", out, "--overwrite")
    assert read(out).shape == (150, 130)


@pytest.mark.parametrize(
    ("signals", "keeps_rows_in_work"),
    [((signal.SIGINT,), True), ((signal.SIGTERM,), True), ((signal.SIGINT,) * 2, False)],
)
def test_an_interrupted_map_goes_on_and_ends_the_same_to_the_bit(
    signals: tuple[signal.Signals, ...],
    keeps_rows_in_work: bool,
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = (models["rgb"], scene, "--window", 32)
    predict(*arguments, "-o", tmp_path / "whole.tif")
    in_work = []

    def interrupted(*given: Any, **more: Any) -> Iterator[MapRows]:
        for rows in stream_map(*given, **more):
            if rows.row > 60:
                in_work.append(rows)
                for number in signals:
                    os.kill(os.getpid(), number)
            yield rows

    out = tmp_path / "map.tif"
    monkeypatch.setattr("dnas_cli.mapping.scene_map.stream_map", interrupted)
    said = predict(*arguments, "-o", out, code=130)
    assert "Run the same command again" in said.stderr
    assert not out.exists()
    monkeypatch.undo()
    said = predict(*arguments, "-o", out, "--json")
    assert "going on from row" in said.stderr
    (rows,) = in_work
    finished = rows.row + (len(rows.classes) if keeps_rows_in_work else 0)
    assert json.loads(said.stdout)[0]["resumed_from_row"] == finished
    assert out.read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert not part_folder(out).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_outputs_are_written_says_how_to_go_on(
    number: signal.Signals,
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "map.tif"
    monkeypatch.setattr(
        "dnas_cli.mapping.write_outputs.write_cog", lambda *_: os.kill(os.getpid(), number)
    )
    said = predict(models["rgb"], scene, "-o", out, code=130)
    assert "150 of 150 rows are finished" in said.stderr
    assert "Run the same command again" in said.stderr
    assert not out.exists()
    monkeypatch.undo()
    assert "all rows are finished" in predict(models["rgb"], scene, "-o", out).stderr
    assert read(out).shape == (150, 130)


def test_a_map_killed_while_it_was_written_leaves_nothing_behind_in_the_end(
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "maps"

    def killed(*arguments: Any) -> None:
        for name in (".map.x1y2_z.part.tif", ".map.x1y2_z.part.tif.ovr.tmp", ".map.b.x.part.tif"):
            (folder / name).write_bytes(b"half")
        raise OSError("the plug was pulled")

    monkeypatch.setattr("dnas_cli.mapping.write_outputs.write_cog", killed)
    predict(models["rgb"], scene, "-o", folder / "map.tif", code=1)
    monkeypatch.undo()
    predict(models["rgb"], scene, "-o", folder / "map.tif")
    left = {path.name for path in folder.iterdir()}
    assert left == {"map.tif", "map.tif.aux.xml", ".map.b.x.part.tif"}  # the last: of `map.b.tif`


def test_a_crash_while_writing_outputs_leaves_none_that_looks_finished(
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = tmp_path / "map.png", tmp_path / "map.tif"

    def fails(*arguments: Any, **more: Any) -> None:
        raise OSError("the plug was pulled")

    monkeypatch.setattr("dnas_cli.mapping.write_outputs.write_cog", fails)
    predict(models["rgb"], scene, "-o", first, "-o", second, code=1)
    assert first.exists()
    assert not second.exists()
    monkeypatch.undo()
    said = predict(models["rgb"], scene, "-o", first, "-o", second)
    assert "all rows are finished" in said.stderr
    assert np.array_equal(read(first), read(second))


def test_a_file_that_a_full_disk_cut_short_never_becomes_the_map(
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = rasterio.shutil.copy

    def cut_short(source: str, target: str, **options: Any) -> None:
        copy(source, target, **options)
        with Path(target).open("r+b") as file:  # as GDAL leaves it, without an error
            file.truncate(Path(target).stat().st_size - 200)

    monkeypatch.setattr("rasterio.shutil.copy", cut_short)
    said = predict(models["rgb"], scene, "-o", tmp_path / "map.tif", code=1)
    assert "map.tif: was not written whole" in said.stderr
    assert not (tmp_path / "map.tif").exists()


def test_one_bad_scene_does_not_stop_the_others(
    predict: Predict, models: dict[str, Path], scene: Path, real_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    shutil.copy(scene, folder / "good.tif")
    shutil.copy(real_data / "odd_geotiffs/corrupt.tif", folder / "corrupt.tif")
    (folder / "text.tif").write_text("not a raster")
    maps = tmp_path / "maps"
    said = predict(models["rgb"], folder, "-o", f"{maps}/{{name}}.png", code=1)
    assert "2 of 3 scenes failed" in said.stderr
    assert "corrupt.tif: cannot be read" in said.stderr
    assert "text.tif: cannot be opened" in said.stderr
    assert sorted(path.name for path in maps.iterdir()) == [
        "good.pgw", "good.png", "good.png.aux.xml",
    ]  # fmt: skip


def test_a_list_of_scenes_that_is_a_pipe_or_endless_is_refused(
    predict: Predict, models: dict[str, Path], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "endless.txt").symlink_to("/dev/zero")
    for name in ("pipe.txt", "endless.txt", "missing.txt"):
        said = predict(models["rgb"], tmp_path / name, "-o", tmp_path / "maps", code=4)
        assert name in said.stderr


def test_names_that_only_gdal_understands_are_passed_on(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        archive.write(scene, "inner.tif")
    listed = tmp_path / "scenes.txt"
    listed.write_text(f"/vsizip/{tmp_path}/scenes.zip/inner.tif\n{scene}\n")
    predict(models["rgb"], listed, "-o", tmp_path / "maps")
    maps = [read(tmp_path / "maps" / name) for name in ("inner.tif", "scene.tif")]
    assert np.array_equal(*maps)


def test_a_photograph_without_georeference_gives_polygons_in_pixels_only(
    predict: Predict, models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    photograph = tmp_path / "photograph.jpg"
    with Image.open(real_data / "dubai_mbrsc/Tile 1/images/image_part_001.jpg") as source:
        source.crop((0, 0, 200, 150)).save(photograph)
    predict(models["rgb"], photograph, "-o", tmp_path / "map.gpkg", "-o", tmp_path / "map.png")
    meta, _, _, columns = pyogrio.read(tmp_path / "map.gpkg")
    assert list(meta["fields"])[2] == "area_px"
    assert columns[2].sum() == 200 * 150
    assert not (tmp_path / "map.pgw").exists()
    said = predict(models["rgb"], photograph, "-o", tmp_path / "map.geojson", code=4)
    assert "GeoJSON is always in WGS84" in said.stderr


def test_missing_libraries_are_named_before_the_work(
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    said = predict(models["rgb"], scene, "-o", tmp_path / "map.gpkg", code=1)
    assert "pip install 'dnas[gis]'" in said.stderr
    assert not part_folder(tmp_path / "map.gpkg").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--out", "map.jpg"], 2, "is not written"),
        (["--out", "m.tif", "--tta", "turns"], 2, "--tta turns"),
        (["--out", "m.tif", "--nodata", "zero"], 2, "--nodata zero"),
        (["--out", "m.tif", "--bands", "1,,2"], 2, "a name is empty"),
        (["--out", "m.tif", "--bands", "1,2,9"], 2, "no band '9'"),
        (["--out", "m.tif", "--bands", "1,2"], 4, "--bands gives 2 bands"),
        (["--out", "m.tif", "--window", "64", "--overlap", "40"], 2, "between 0 and 32"),
        (["--out", "m.tif", "--device", "tpu"], 2, "--device tpu"),
        (["--out", "m.tif", "--min-area", "nan"], 2, "--min-area"),
        (["--out", "m.tif", "--map-nodata", "2"], 2, "is the class 'water' in the map"),
        (["--out", "m.tif", "--map-nodata", "256"], 2, "--map-nodata"),
        (["--out", "m.tif", "--out", "m.tif"], 2, "written twice"),
        ([], 2, "--out"),
    ],
)
def test_wrong_use_is_one_message_and_its_exit_code(
    arguments: list[str],
    code: int,
    said: str,
    predict: Predict,
    models: dict[str, Path],
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in predict(models["rgb"], scene, *arguments, code=code).stderr
    assert not list(tmp_path.glob("m*"))


def test_a_scene_that_is_no_scene_and_a_model_that_is_none(
    predict: Predict, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    out = ("-o", tmp_path / "map.tif")
    assert "no such file" in predict(models["rgb"], tmp_path / "no.tif", *out, code=4).stderr
    assert "cannot be opened" in predict(models["rgb"], models["rgb"], *out, code=4).stderr
    assert str(scene) in predict(scene, scene, *out, code=4).stderr


def test_the_program_itself_keeps_results_and_messages_apart(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnas_cli.nets.network.HEAD_CHANNELS", 256)
    model = write_model(tmp_path / "model.pt")
    command = [sys.executable, "-m", "dnas_cli", "predict", model, scene]
    done = subprocess.run(
        [*map(str, command), "--out", tmp_path / "map.tif", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)[0]["status"] == "done"
    assert "of memory" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
def test_a_log_that_cannot_be_written_stops_no_work(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnas_cli.nets.network.HEAD_CHANNELS", 256)
    command = [sys.executable, "-m", "dnas_cli", "predict", write_model(tmp_path / "model.pt")]
    command += [scene, "--out", tmp_path / "map.tif"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=full)
    assert done.returncode == 0
    assert read(tmp_path / "map.tif").shape == (150, 130)
