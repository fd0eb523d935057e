"""Scenes whose bands are in several files, in variables, or named by STAC Items."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.warp import Resampling, reproject

from dnas_cli.errors import DataError
from dnas_cli.scenes.raster import Window, open_raster
from dnas_cli.scenes.scene_files import BandFile, SceneFiles
from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.reported_inputs import INDEX, dataset, noise, place, put, quarters, tiles_of
from tests.support.small_models import write_model

FILES = """\
bands:
  red: "s2/{scene}_B04.tif"
  rededge: "s2/{scene}_B05_20m.tif"
  nir: "s2/{scene}_B08.tif"
"""
WHOLE = Window(0, 0, 64, 64)


def bands_of(folder: Path, count: int = 3) -> Path:
    """Scenes of 64 x 64 pixels of 10 m; the second of their bands has pixels of 20 m."""
    for number in range(count):
        values, x = noise(number), 500_000 + 10_000 * number
        put(folder / f"s2/s{number}_B04.tif", values[:1], **place(x))
        put(folder / f"s2/s{number}_B05_20m.tif", values[1:2, ::2, ::2], **place(x, pixel=20))
        put(folder / f"s2/s{number}_B08.tif", values[2:], **place(x))
        put(folder / f"labels/s{number}.tif", quarters(), **place(x))
    return folder


def test_bands_of_several_files_are_one_scene_and_coarser_ones_are_resampled(
    tmp_path: Path,
) -> None:
    folder = bands_of(dataset(tmp_path / "data", INDEX + FILES))
    tiles = tiles_of(folder)
    assert tiles.bands == ("red", "rededge", "nir")
    ref = next(ref for ref in tiles.split("train") if ref.image.endswith("_0_0_img.tif"))
    number = int(ref.scene[1:])
    image, valid, _ = tiles.read(ref)
    expected = noise(number)
    assert valid.all()
    assert np.array_equal(image[[0, 2]], expected[[0, 2], :32, :32])
    coarse = expected[1, ::2, ::2].astype(float)
    assert abs(image[1].astype(float) - coarse.repeat(2, 0).repeat(2, 1)[:32, :32]).mean() < 40
    assert image[1].mean() == pytest.approx(coarse[:16, :16].mean(), abs=3)
    out = ("--out", folder.with_name("data-tiles"))
    assert "is finished already" in dnas("tile", folder, *out, "--size", 32).stderr
    put(folder / "s2/s1_B08.tif", noise(7)[:1], **place(510_000))
    assert "s2/s1_B08.tif" in dnas("tile", folder, *out, "--size", 32, code=3).stderr


def test_the_grid_is_that_of_the_smallest_pixels_whatever_the_extents(tmp_path: Path) -> None:
    fine = put(tmp_path / "fine.tif", noise()[:1], **place())
    coarse = place(499_040, 5_000_960, pixel=20)  # more pixels, around the fine ones
    wide = put(tmp_path / "wide.tif", noise(1, size=128)[:1], **coarse)
    parts = tuple(BandFile((path.stem,), str(path)) for path in (wide, fine))
    with open_raster(SceneFiles("both", parts)) as scene:
        assert (scene.height, scene.width) == (64, 64)
        assert np.array_equal(scene.read(WHOLE)[1], noise()[0])
    put(fine, noise()[:1], transform=place()["transform"])
    with pytest.raises(DataError, match="no CRS"):
        open_raster(SceneFiles("both", parts))


def test_a_scene_that_lacks_a_band_is_left_out_and_named(tmp_path: Path) -> None:
    folder = bands_of(dataset(tmp_path / "data", INDEX + FILES))
    (folder / "s2/s2_B05_20m.tif").unlink()
    said = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, "--workers", 1).stderr
    assert "s2_B04.tif has no file for the band 'rededge'" in said.replace(":", "")


def test_whole_scenes_of_several_files_are_scored(tmp_path: Path) -> None:
    folder = bands_of(dataset(tmp_path / "data", INDEX + FILES))
    model = write_model(tmp_path / "model.pt", ("red", "rededge", "nir"), classes=INDEX)
    tiles_of(folder, "--test-scenes", "s1")
    given = ("eval", model, tmp_path / "data-tiles", "--scenes", "--json", "--device", "cpu")
    score = json.loads(dnas(*given).stdout)
    assert score["metrics"]["pixels"] == 4096


def test_predict_finds_scenes_by_a_description_as_tile_does(tmp_path: Path) -> None:
    folder = bands_of(tmp_path / "data")
    shutil.rmtree(folder / "labels")
    described = tmp_path / "s2.yaml"
    described.write_text(INDEX + FILES)
    model = write_model(tmp_path / "model.pt", ("nir", "rededge", "red"))
    maps, given = tmp_path / "maps", ("--dataset", described, "--device", "cpu")
    dnas("predict", model, folder, "--out", f"{maps}/", *given)
    assert sorted(path.name for path in maps.glob("*.tif")) == ["s0.tif", "s1.tif", "s2.tif"]
    again = dnas("predict", model, folder, "--out", f"{maps}/", *given)
    assert again.stderr.count("skipped, its outputs exist") == 3
    values, coarse, finer = noise(1), place(510_000, pixel=20), place(510_000)
    by = {"src_transform": coarse["transform"], "dst_transform": finer["transform"]}
    rededge, crs = np.zeros((64, 64), np.uint8), {"src_crs": "EPSG:32633", "dst_crs": "EPSG:32633"}
    reproject(values[1, ::2, ::2], rededge, resampling=Resampling.bilinear, **by, **crs)
    one_file = put(tmp_path / "s1.tif", np.stack([values[2], rededge, values[0]]), **finer)
    dnas("predict", model, one_file, "--out", tmp_path / "one.tif", "--bands", "1,2,3")
    assert np.array_equal(read(maps / "s1.tif"), read(tmp_path / "one.tif"))
    said = dnas("predict", model, one_file, "--out", tmp_path / "m.tif", *given, code=2).stderr
    assert "what one folder of scenes holds" in said


@pytest.mark.parametrize("suffix", ["nc", "h5"])
def test_variables_are_bands(suffix: str, tmp_path: Path) -> None:
    text = (
        f'bands: {{red: "cubes/{{scene}}.{suffix}:red2", nir: "cubes/{{scene}}.{suffix}:nir1"}}\n'
    )
    folder = dataset(tmp_path / "data", INDEX + text)
    for number in range(3):
        values = noise(number, "uint16")
        cube = in_netcdf(folder / f"cubes/s{number}.nc", {"nir": values[0], "red": values[1]})
        cube.rename(cube.with_suffix(f".{suffix}"))
        put(folder / f"labels/s{number}.tif", quarters())
    tiles = tiles_of(folder)
    assert (tiles.bands, tiles.dtype) == (("red", "nir"), "uint16")
    with open_raster(folder / f"cubes/s0.{suffix}", ["red2", "nir1"]) as scene:
        shown = scene.read(WHOLE)
    assert np.array_equal(np.sort(shown, axis=None), np.sort(noise(0, "uint16")[:2], axis=None))
    model = write_model(tmp_path / "model.pt", ("red2", "nir1"), "uint16")
    dnas("predict", model, folder / f"cubes/s0.{suffix}", "--out", tmp_path / "map.tif")
    gone = text.replace(":nir1", ":swir")
    (folder / "dataset.yaml").write_text(INDEX + gone)
    said = dnas("tile", folder, "--out", tmp_path / "t", "--size", 32, "--strict", code=4).stderr
    assert "has no variable 'swir'; it has" in said


def test_variables_are_bands_of_scenes_that_predict_finds_by_a_description(tmp_path: Path) -> None:
    described = tmp_path / "cubes.yaml"
    described.write_text(
        INDEX + 'bands: {red: "cubes/{scene}.nc:red2", nir: "cubes/{scene}.nc:nir1"}\n'
    )
    (tmp_path / "data/cubes").mkdir(parents=True)
    values = noise(0, "uint16")[:2]
    in_netcdf(tmp_path / "data/cubes/s0.nc", {"nir": values[0], "red": values[1]})
    model = write_model(tmp_path / "model.pt", ("nir", "red"), "uint16", largest=200)
    given = ("--dataset", described, "--device", "cpu")
    dnas("predict", model, tmp_path / "data", "--out", f"{tmp_path}/maps/", *given)
    one_file = put(tmp_path / "s0.tif", values, **place())
    dnas("predict", model, one_file, "--out", tmp_path / "one.tif", "--bands", "1,2")
    assert np.array_equal(read(tmp_path / "maps/s0.tif"), read(tmp_path / "one.tif"))


def test_an_item_of_one_asset_has_all_its_bands_though_the_fourth_is_called_alpha(
    tmp_path: Path,
) -> None:
    values = np.concatenate([noise(0), noise(3)[:1]])
    put(tmp_path / "n.tif", values, photometric="RGB", alpha="YES", **place())
    plain = put(tmp_path / "plain.tif", values, **place())
    alone = item("n1") | {"assets": {"image": {"href": "n.tif", "type": "image/tiff"}}}
    (tmp_path / "n.json").write_text(json.dumps(alone))
    model = write_model(tmp_path / "model.pt", ("red", "green", "blue", "nir"))
    said = dnas("predict", model, tmp_path / "n.json", "--out", tmp_path / "item.tif").stderr
    assert "its band 4 is called alpha but holds other data; it is read as a band" in said
    dnas("predict", model, plain, "--out", tmp_path / "map.tif", "--bands", "1,2,3,4")
    assert np.array_equal(read(tmp_path / "item.tif"), read(tmp_path / "map.tif"))


def in_netcdf(path: Path, variables: dict[str, Any]) -> Path:
    """Write arrays as variables of a NetCDF 4 file; GDAL appends the number to the name."""
    with rasterio.open(
        put(path.with_suffix(".tif"), np.stack(list(variables.values())), **place()), "r+"
    ) as raster:
        for number, name in enumerate(variables, 1):
            raster.update_tags(number, NETCDF_VARNAME=name)
    rasterio.shutil.copy(str(path.with_suffix(".tif")), str(path), driver="netCDF", FORMAT="NC4")
    path.with_suffix(".tif").unlink()
    return path


def item(name: str, prefix: str = "../s2/") -> dict[str, Any]:
    """A STAC Item of the three bands of a scene, and a preview."""
    asset = {"type": "image/tiff; application=geotiff", "roles": ["data"]}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "properties": {},
        "links": [],
        "assets": {
            "B04": asset | {
                "href": f"{prefix}{name}_B04.tif",
                "eo:bands": [{"name": "B4", "common_name": "red"}],
            },
            "B05": asset | {"href": f"{prefix}{name}_B05_20m.tif"},
            "B08": asset | {
                "href": f"{prefix}{name}_B08.tif", "bands": [{"eo:common_name": "nir"}],
            },
            "visual": asset | {
                "href": f"{prefix}{name}_B08.tif", "roles": ["overview"],
                "eo:bands": [{"common_name": "red"}, {"common_name": "green"}],
            },
            "metadata": {"href": "meta.xml", "type": "application/xml"},
        },
    }  # fmt: skip


def test_items_are_scenes_of_tile_and_predict(tmp_path: Path) -> None:
    text = "images: items.json\nbands: [red, B05, nir]\n"
    folder = bands_of(dataset(tmp_path / "data", INDEX + text))
    names = ("s0", "s1", "s2")
    collection = {"type": "FeatureCollection", "features": [item(name, "s2/") for name in names]}
    (folder / "items.json").write_text(json.dumps(collection))
    tiles = tiles_of(folder)
    assert tiles.bands == ("red", "B05", "nir")
    whole = dnas("tile", folder, "--out", tmp_path / "data-tiles", "--size", 32)
    assert "is finished already" in whole.stderr
    model = write_model(tmp_path / "model.pt", ("red", "B05", "nir"))
    maps = tmp_path / "maps"
    dnas("predict", model, folder / "items.json", "--out", f"{maps}/", "--device", "cpu")
    assert sorted(path.name for path in maps.glob("*.tif")) == ["s0.tif", "s1.tif", "s2.tif"]
    single = folder / "s1.json"
    single.write_text(json.dumps(item("s1", "s2/")))
    out = ("--out", tmp_path / "one.tif", "--device", "cpu")
    dnas("predict", model, single, *out)
    assert np.array_equal(read(tmp_path / "one.tif"), read(maps / "s1.tif"))
    with rasterio.open(maps / "s1.tif") as raster:
        assert raster.transform.c == 510_000


def test_an_item_reads_nothing_outside_its_folder_and_names_what_it_lacks(tmp_path: Path) -> None:
    folder = bands_of(tmp_path / "data", 1)
    model = write_model(tmp_path / "model.pt", ("red", "B05", "nir"))
    out = ("--out", tmp_path / "map.tif", "--device", "cpu")
    inside = folder / "items/s0.json"
    inside.parent.mkdir()
    for prefix in ("../s2/", f"{folder}/s2/", "https://127.0.0.1:1/"):
        inside.write_text(json.dumps(item("s0", prefix)))
        said = dnas("predict", model, inside, *out, code=4).stderr
        assert "which is not below its folder" in said
    inside.write_text(json.dumps(item("s0")))
    dnas("predict", model, inside, *out, "--allow-external")
    other = write_model(tmp_path / "other.pt", ("red", "green", "nir"))
    arguments = ("--out", tmp_path / "m.tif", "--allow-external")
    said = dnas("predict", other, inside, *arguments, code=4).stderr
    assert "s0: has no band 'green'; it has B04 or B4 or red" in said


def test_an_item_whose_name_no_file_can_have_is_mapped_to_the_file_that_is_named(
    tmp_path: Path,
) -> None:
    folder = bands_of(tmp_path / "data", 1)
    model = write_model(tmp_path / "model.pt", ("red", "B05", "nir"))
    (folder / "s0.json").write_text(json.dumps(item("s0", "s2/") | {"id": "x" * 5000}))
    dnas("predict", model, folder / "s0.json", "--out", tmp_path / "map.tif")
    said = dnas("predict", model, folder / "s0.json", "--out", f"{tmp_path}/maps/", code=2).stderr
    assert "Name the map yourself (--out FILE)" in said
    assert not (tmp_path / "maps").exists()


VRT = """<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{source}</SourceFilename></SimpleSource>
</VRTRasterBand></VRTDataset>"""


def test_an_item_is_read_from_its_address(tmp_path: Path) -> None:
    folder = bands_of(tmp_path / "data", 1)
    (folder / "s0.json").write_text(json.dumps(item("s0", "s2/")))
    model = write_model(tmp_path / "model.pt", ("red", "B05", "nir"))

    # In a process of its own: GDAL waits for the answer with Python's lock held.
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        address = f"http://127.0.0.1:{port}"
        given = ("--out", tmp_path / "far.tif", "--device", "cpu")
        dnas("predict", model, f"{address}/s0.json", *given)
        # None of this machine's files, whatever refers to them.
        document = VRT.format(source=folder / "s2/s0_B04.tif")
        for name in ("v.vrt", "v.tif"):
            (folder / name).write_text(document)
        alone = write_model(tmp_path / "alone.pt", ("red",))
        refused = {
            f"file://{folder}/s2/s0_B04.tif": "no web address",
            f"{folder}/s2/s0_B04.tif": "cannot be opened",  # a path of the server
            "v.vrt": "refers to a VRT",
            "v.tif": "cannot be opened",
        }
        for href, message in refused.items():
            asset = {"href": href, "type": "image/tiff"}
            (folder / "v.json").write_text(json.dumps(item("v") | {"assets": {"red": asset}}))
            said = dnas("predict", alone, f"{address}/v.json", *given, "--overwrite", code=4).stderr
            assert message in said
    finally:
        server.terminate()
        server.communicate()
    dnas("predict", model, folder / "s0.json", "--out", tmp_path / "near.tif", "--device", "cpu")
    assert np.array_equal(read(tmp_path / "far.tif"), read(tmp_path / "near.tif"))


def test_an_address_in_a_description_that_came_with_the_data_is_not_asked(tmp_path: Path) -> None:
    text = 'images: "http://127.0.0.1:1/items.json"\nbands: [red]\nlabels: "labels/{scene}.tif"\n'
    folder = bands_of(dataset(tmp_path / "data", INDEX + text), 1)
    said = dnas("tile", folder, "--out", tmp_path / "t", code=4).stderr
    assert "has images in the network" in said
    shutil.move(folder / "dataset.yaml", tmp_path / "own.yaml")
    given = ("--dataset", tmp_path / "own.yaml", "--out", tmp_path / "t")
    assert "cannot be read" in dnas("tile", folder, *given, code=4).stderr
