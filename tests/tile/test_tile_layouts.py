"""`dnas tile` on datasets as they are published: FBP, GID, Dubai."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from dnas_cli.scenes.opening import without_georeference
from dnas_cli.tiles.dataset_json import open_tile_set
from tests.support.command_line import dnas
from tests.support.small_scenes import GID_COLOURS, class_indices, make_gid, write_raster

EXAMPLE = Path(__file__).parents[2] / "examples" / "dubai.yaml"


def test_fbp_is_cut_from_the_folders_it_is_published_in(tmp_path: Path) -> None:
    source = tmp_path / "Five-Billion-Pixels"
    image = np.random.default_rng(0).integers(1, 255, (4, 64, 64)).astype(np.uint8)
    label = np.arange(64 * 64).reshape(64, 64) % 25
    for number in range(3):
        scene = f"GF2_PMS1__L1A000{number}-MSS1"
        write_raster(source / f"Image__8bit_NirRGB/{scene}.tif", image)
        write_raster(source / f"Image_16bit_BGRNir/{scene}.tiff", image.astype(np.uint16) * 9)
        (source / "Annotation__index").mkdir(exist_ok=True)
        Image.fromarray(label.astype(np.uint8)).save(
            source / f"Annotation__index/{scene}_24label.png"
        )
    dnas("tile", source, "--size", 64)
    tiles = open_tile_set(tmp_path / "Five-Billion-Pixels-tiles")
    assert (tiles.bands, tiles.dtype) == (("nir", "red", "green", "blue"), "uint8")
    tile, _, classes = tiles.read(tiles.split("train")[0])
    assert (tile == image).all()
    assert (classes == np.where(label == 0, 255, label - 1)).all()


def test_gid_scenes_become_named_tiles_with_the_bands_of_the_paper(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5")
    dnas("tile", f"{source}/", "--size", 64)
    out = tmp_path / "gid5-tiles"
    names = sorted(path.name for path in (out / "image/GF2_3").iterdir())
    assert names == [f"GF2_3_{row}_{column}_img.tif" for row in (0, 1) for column in (0, 1, 2)]
    with (
        rasterio.open(source / "image_NirRGB/GF2_3.tif") as scene,
        rasterio.open(out / "image/GF2_3/GF2_3_1_2_img.tif") as tile,
    ):
        # Files hold NIR R G B, the paper's order is R G B NIR; the last tile is shifted back.
        window = rasterio.windows.Window(130 - 64, 100 - 64, 64, 64)
        assert (tile.read() == scene.read([2, 3, 4, 1], window=window)).all()
        assert tile.crs == scene.crs
        assert tuple(tile.transform)[:6] == (4, 0, 503_000 + 4 * 66, 0, -4, 3_000_000 - 4 * 36)
        assert tile.descriptions == ("red", "green", "blue", "nir")
        assert tile.nodata is None
    label = Image.open(out / "label/GF2_3/GF2_3_1_2_label.png")
    expected = class_indices(3, 100, 130)[36:, 66:]
    assert label.mode == "P"
    assert (np.asarray(label) == np.where(expected == 5, 255, expected)).all()
    palette = label.getpalette()
    assert palette is not None
    assert palette[:15] == GID_COLOURS[:5].ravel().tolist()


def test_dataset_json_and_lists_say_all_of_it(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5")
    dnas("tile", source, "--size", 64)
    out = tmp_path / "gid5-tiles"
    facts = json.loads((out / "dataset.json").read_text())
    assert (facts["schema"], facts["version"], facts["tile_size"]) == ("dnas.tile-set", 1, 64)
    assert facts["tiles"] == {"train": 18, "val": 6, "test": 6}
    assert facts["normalisation"]["std"] == [0.229, 0.224, 0.225, 0.227]
    assert facts["normalisation"]["scale"] == pytest.approx(1 / 255)
    assert len(facts["sources"]) == 5
    assert facts["sources"][0]["image"]["path"] == "image_NirRGB/GF2_0.tif"
    assert len(facts["sources"][0]["image"]["sha256"]) == 64
    line = (out / "train.lst").read_text().splitlines()[0].split("\t")
    assert line[0].startswith("image/GF2_")
    assert line[0].endswith("_0_0_img.tif")
    assert line[1] == line[0].replace("image/", "label/").replace("_img.tif", "_label.png")


def test_other_image_folders_of_gid_are_known_by_name(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    rgb = tmp_path / "gid5/image_RGB"
    rgb.mkdir()
    for path in (source / "image_NirRGB").iterdir():
        with rasterio.open(path) as scene:
            write_raster(
                rgb / path.name, scene.read([2, 3, 4]), crs=scene.crs, transform=scene.transform
            )
    dnas("tile", source, "--size", 64, "--out", tmp_path / "four")
    assert open_tile_set(tmp_path / "four").bands == ("red", "green", "blue", "nir")
    shutil.rmtree(source / "image_NirRGB")
    dnas("tile", source, "--size", 64, "--out", tmp_path / "three")
    three = open_tile_set(tmp_path / "three")
    assert three.bands == ("red", "green", "blue")
    assert three.normalisation.mean == (0.485, 0.456, 0.406)


def test_a_fourth_band_that_gdal_calls_alpha_is_data(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    for path in (source / "image_NirRGB").iterdir():
        with rasterio.open(path) as scene:
            assert scene.colorinterp[3] == rasterio.enums.ColorInterp.alpha
    dnas("tile", source, "--size", 64)
    tiles = open_tile_set(tmp_path / "gid5-tiles")
    image, valid, _ = tiles.read(tiles.split("train")[0])
    assert image.shape == (4, 64, 64)
    assert valid.all()


@pytest.fixture(scope="module")
def some_of_dubai(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the nine parts of every tile."""
    folder = tmp_path_factory.mktemp("data") / "dubai"
    for path in sorted((real_data / "dubai_mbrsc").glob("Tile */*/*_00[15].*")):
        copy = folder / path.relative_to(real_data / "dubai_mbrsc")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return folder


def test_the_dubai_example_cuts_real_imagery_by_tile(tmp_path: Path, some_of_dubai: Path) -> None:
    result = dnas(
        "tile", some_of_dubai, "--dataset", EXAMPLE, "--size", 256, "--workers", 2,
        "--val-scenes", "Tile 2", "--test-scenes", "Tile 4", "--out", tmp_path / "dubai", "--json",
    )  # fmt: skip
    splits = json.loads(result.stdout)["splits"]
    assert splits["train"]["scenes"] == ["Tile_1", "Tile_3", "Tile_5", "Tile_6"]
    assert splits["val"]["scenes"] == ["Tile_2"]
    assert splits["test"]["scenes"] == ["Tile_4"]
    # 797 x 644, 682 x 658, 1126 x 1058 and 859 x 838 px: 4x3 + 3x3 + 5x5 + 4x4 tiles a part.
    assert splits["train"]["tiles"] == 2 * (12 + 9 + 25 + 16)
    # Tile 4 has palette masks; buildings are 35 % of its first part and 38 % of the fifth.
    pixels = splits["test"]["class_pixels"]
    assert pixels["building"] / sum(pixels.values()) == pytest.approx(0.37, abs=0.02)
    assert "skipped" not in result.stderr
    tiles = open_tile_set(tmp_path / "dubai")
    image, _, label = tiles.read(tiles.split("test")[0])
    part = some_of_dubai / "Tile 4/images/image_part_001.jpg"
    assert tiles.split("test")[0].image == "image/Tile_4/Tile_4_001_0_0_img.tif"
    with without_georeference(), rasterio.open(part) as scene:
        assert (image == scene.read()[:, :256, :256]).all()
    mask = Image.open(str(part).replace("images", "masks").replace(".jpg", ".png")).convert("RGB")
    building = (np.asarray(mask)[:256, :256] == (60, 16, 152)).all(axis=-1)
    assert ((label == 0) == building).all()
