"""`dnas tile`: from scenes and labels to a tile set."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from small_scenes import GID_COLOURS, class_indices, make_gid, make_plain, write_raster

from dnas_cli.app import app
from dnas_cli.scenes.raster import without_georeference
from dnas_cli.tiles.grid import block_rows, offsets
from dnas_cli.tiles.tile_set import open_tile_set

EXAMPLE = Path(__file__).parents[1] / "examples" / "dubai.yaml"


def run(runner, *arguments, code=0):
    result = runner.invoke(app, ["tile", *map(str, arguments)])
    assert result.exit_code == code, result.output + result.stderr
    assert "Traceback" not in result.stderr
    return result


def content(folder):
    """Every file of a folder with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Where blocks lie


def test_a_gid_scene_has_14_by_15_blocks_and_the_last_ones_end_at_the_border():
    rows = block_rows(6800, 7200, 512)
    assert (len(rows), {len(row) for row in rows}) == (14, {15})
    assert (rows[-1][-1].row, rows[-1][-1].column) == (6800 - 512, 7200 - 512)
    assert (rows[1][1].row, rows[1][1].column) == (512, 512)


@pytest.mark.parametrize(
    ("length", "starts"), [(512, (0,)), (513, (0, 1)), (1024, (0, 512)), (100, (0,)), (1, (0,))]
)
def test_blocks_cover_a_side_with_as_few_as_possible(length, starts):
    assert offsets(length, 512) == starts


# FBP's layout


def test_fbp_is_cut_from_the_folders_it_is_published_in(runner, tmp_path):
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
    run(runner, source, "--size", 64)
    tiles = open_tile_set(tmp_path / "Five-Billion-Pixels-tiles")
    assert (tiles.bands, tiles.dtype) == (("nir", "red", "green", "blue"), "uint8")
    block, _, classes = tiles.read(tiles.split("train")[0])
    assert (block == image).all()
    assert (classes == np.where(label == 0, 255, label - 1)).all()


# GID's layout


def test_gid_scenes_become_named_blocks_with_the_bands_of_the_paper(runner, tmp_path):
    source = make_gid(tmp_path / "gid5")
    run(runner, f"{source}/", "--size", 64)
    out = tmp_path / "gid5-tiles"
    names = sorted(path.name for path in (out / "image/GF2_3").iterdir())
    assert names == [f"GF2_3_{row}_{column}_img.tif" for row in (0, 1) for column in (0, 1, 2)]
    with (
        rasterio.open(source / "image_NirRGB/GF2_3.tif") as scene,
        rasterio.open(out / "image/GF2_3/GF2_3_1_2_img.tif") as block,
    ):
        # Files hold NIR R G B, the paper's order is R G B NIR; the last block is shifted back.
        window = rasterio.windows.Window(130 - 64, 100 - 64, 64, 64)
        assert (block.read() == scene.read([2, 3, 4, 1], window=window)).all()
        assert block.crs == scene.crs
        assert tuple(block.transform)[:6] == (4, 0, 503_000 + 4 * 66, 0, -4, 3_000_000 - 4 * 36)
        assert block.descriptions == ("red", "green", "blue", "nir")
        assert block.nodata is None
    label = Image.open(out / "label/GF2_3/GF2_3_1_2_label.png")
    expected = class_indices(3, 100, 130)[36:, 66:]
    assert label.mode == "P"
    assert (np.asarray(label) == np.where(expected == 5, 255, expected)).all()
    assert label.getpalette()[:15] == GID_COLOURS[:5].ravel().tolist()


def test_dataset_json_and_lists_say_all_of_it(runner, tmp_path):
    source = make_gid(tmp_path / "gid5")
    run(runner, source, "--size", 64)
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


def test_statistics_and_class_pixels_are_those_of_the_training_blocks(runner, tmp_path):
    run(runner, make_gid(tmp_path / "gid5"), "--size", 64)
    tiles = open_tile_set(tmp_path / "gid5-tiles")
    blocks = [tiles.read(ref) for ref in tiles.split("train")]
    values = np.stack([image for image, _, _ in blocks])
    red = tiles.statistics["red"]
    assert red["count"] == values[:, 0].size
    assert red["mean"] == pytest.approx(values[:, 0].mean(), rel=1e-12)
    assert red["std"] == pytest.approx(values[:, 0].std(), rel=1e-9)
    assert (red["min"], red["max"]) == (values[:, 0].min(), values[:, 0].max())
    assert red["percentiles"]["50"] == np.percentile(values[:, 0], 50, method="inverted_cdf")
    labels = np.stack([label for _, _, label in blocks])
    assert tiles.class_pixels("train")["water"] == (labels == 4).sum()
    assert tiles.unlabelled_pixels("train") == (labels == 255).sum()


def test_other_image_folders_of_gid_are_known_by_name(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    rgb = tmp_path / "gid5/image_RGB"
    rgb.mkdir()
    for path in (source / "image_NirRGB").iterdir():
        with rasterio.open(path) as scene:
            write_raster(
                rgb / path.name, scene.read([2, 3, 4]), crs=scene.crs, transform=scene.transform
            )
    run(runner, source, "--size", 64, "--out", tmp_path / "four")
    assert open_tile_set(tmp_path / "four").bands == ("red", "green", "blue", "nir")
    shutil.rmtree(source / "image_NirRGB")
    run(runner, source, "--size", 64, "--out", tmp_path / "three")
    three = open_tile_set(tmp_path / "three")
    assert three.bands == ("red", "green", "blue")
    assert three.normalisation.mean == (0.485, 0.456, 0.406)


def test_a_fourth_band_that_gdal_calls_alpha_is_data(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    for path in (source / "image_NirRGB").iterdir():
        with rasterio.open(path) as scene:
            assert scene.colorinterp[3] == rasterio.enums.ColorInterp.alpha
    run(runner, source, "--size", 64)
    tiles = open_tile_set(tmp_path / "gid5-tiles")
    image, valid, _ = tiles.read(tiles.split("train")[0])
    assert image.shape == (4, 64, 64)
    assert valid.all()


def test_a_band_taken_for_alpha_is_told_with_what_to_do(runner, tmp_path):
    source = make_plain(tmp_path / "plain")
    for number, path in enumerate(sorted((source / "images").iterdir())):
        write_raster(path, np.full((4, 70, 64), 9 + number, np.uint8))
    (source / "dataset.yaml").write_text("classes: {low: [10, 10, 10], high: [200, 0, 0]}\n")
    result = run(runner, source, "--size", 32)
    assert "5 of 5 images have a band 4 that is taken for alpha" in result.stderr
    assert open_tile_set(tmp_path / "plain-tiles").bands == ("red", "green", "blue")


# Other layouts


def test_sixteen_bit_scenes_are_normalised_from_the_training_split(runner, tmp_path):
    source = make_plain(tmp_path / "plain", nodata=0)
    result = run(runner, source, "--size", 32, "--json")
    tiles = open_tile_set(tmp_path / "plain-tiles")
    assert (tiles.dtype, tiles.bands, tiles.nodata) == ("uint16", ("a", "b"), 0)
    blocks = [tiles.read(ref) for ref in tiles.split("train")]
    valid = np.concatenate([image[:, mask] for image, mask, _ in blocks], axis=1)
    assert tiles.normalisation.scale == 1
    assert tiles.normalisation.mean == pytest.approx(valid.mean(axis=1))
    assert tiles.normalisation.std == pytest.approx(valid.std(axis=1))
    assert valid.min() > 0, "nodata takes no part"
    normalised = tiles.normalisation.apply(blocks[0][0], blocks[0][1])
    assert abs(normalised).max() < 10
    assert json.loads(result.stdout)["splits"]["train"]["tiles"] == 18


def test_pixels_without_data_have_no_label_either(runner, tmp_path):
    source = make_plain(tmp_path / "plain", dtype="float32", nodata=float("nan"))
    run(runner, source, "--size", 32)
    tiles = open_tile_set(tmp_path / "plain-tiles")
    ref = next(ref for ref in tiles.split("train") if ref.image.endswith("_0_0_img.tif"))
    _, valid, label = tiles.read(ref)
    assert not valid[:5, :5].any()
    assert valid[5:, 5:].all()
    assert (label[:5, :5] == 255).all()
    assert (label[5:, 5:] != 255).all()
    assert (np.asarray(Image.open(tiles.root / ref.label)) == label).all()


def test_any_number_of_bands_is_cut_without_a_list_of_bands(runner, tmp_path):
    source = make_plain(tmp_path / "plain")
    for path in (source / "images").iterdir():
        write_raster(path, np.ones((9, 70, 64), np.int16) * 7)
    (source / "dataset.yaml").write_text("classes: {low: [10, 10, 10], high: [200, 0, 0]}\n")
    run(runner, source, "--size", 32)
    tiles = open_tile_set(tmp_path / "plain-tiles")
    assert tiles.bands == tuple("123456789")
    assert tiles.normalisation.std == (1.0,) * 9, "a constant band is not divided by zero"


def test_images_smaller_than_a_block_are_filled_up_and_named(runner, tmp_path):
    source = make_plain(tmp_path / "plain")
    result = run(runner, source, "--size", 80)
    assert "5 of 5 images are smaller than 80 px" in result.stderr
    assert "images/s0.tif (64 x 70)" in result.stderr
    tiles = open_tile_set(tmp_path / "plain-tiles")
    image, valid, label = tiles.read(tiles.split("train")[0])
    assert image.shape == (2, 80, 80)
    assert valid[:70, :64].all()
    assert valid.sum() == 70 * 64
    assert (label[~valid] == 255).all()
    assert tiles.statistics["a"]["count"] == 3 * 70 * 64


@pytest.fixture(scope="module")
def some_of_dubai(real_data, tmp_path_factory):
    """Two of the nine parts of every tile."""
    folder = tmp_path_factory.mktemp("data") / "dubai"
    for path in sorted((real_data / "dubai_mbrsc").glob("Tile */*/*_00[15].*")):
        copy = folder / path.relative_to(real_data / "dubai_mbrsc")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return folder


def test_the_dubai_example_cuts_real_imagery_by_tile(runner, tmp_path, some_of_dubai):
    result = run(
        runner, some_of_dubai, "--dataset", EXAMPLE, "--size", 256, "--workers", 2,
        "--val-scenes", "Tile 2", "--test-scenes", "Tile 4", "--out", tmp_path / "dubai", "--json",
    )  # fmt: skip
    splits = json.loads(result.stdout)["splits"]
    assert splits["train"]["scenes"] == ["Tile_1", "Tile_3", "Tile_5", "Tile_6"]
    assert splits["val"]["scenes"] == ["Tile_2"]
    assert splits["test"]["scenes"] == ["Tile_4"]
    # 797 x 644, 682 x 658, 1126 x 1058 and 859 x 838 px: 4x3 + 3x3 + 5x5 + 4x4 blocks a part.
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


# What cannot be used


def test_everything_unusable_is_named_and_the_rest_is_cut(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=12)
    images, labels = source / "image_NirRGB", source / "label_5classes"
    (labels / "GF2_1_label.tif").unlink()
    (images / "GF2_2.tif").unlink()
    write_raster(labels / "GF2_3_label.tif", np.zeros((3, 99, 130), np.uint8))
    (images / "GF2_4.tif").write_text("this is no image")
    whole = (images / "GF2_5.tif").read_bytes()
    (images / "GF2_5.tif").write_bytes(whole[: len(whole) * 2 // 3])
    write_raster(labels / "GF2_6_label.tif", np.full((3, 100, 130), 77, np.uint8))
    write_raster(images / "GF2_7.tif", np.zeros((2, 100, 130), np.uint8))
    write_raster(images / "GF2_8.tif", np.zeros((4, 100, 130), np.uint16))
    result = run(runner, source, "--size", 64)
    for line in (
        "image_NirRGB/GF2_1.tif: image without label",
        "label_5classes/GF2_2_label.tif: label without image",
        "GF2_3_label.tif: has 130 x 99 pixels, but its image has 130 x 100",
        "image_NirRGB/GF2_4.tif: cannot be opened as a raster",
        "image_NirRGB/GF2_5.tif: cannot be read at row",
        "100.0% of the label is of no known colour ((77, 77, 77) on 100.0%)",
        "image_NirRGB/GF2_7.tif: has 2 bands",
        "image_NirRGB/GF2_8.tif: has values uint16, but most have uint8",
    ):
        assert line in result.stderr, line
    assert "skipped: 8" in result.stdout
    facts = json.loads((tmp_path / "gid5-tiles/dataset.json").read_text())
    assert len(facts["skipped"]) == 8
    assert len(facts["sources"]) == 4
    left = {path.name for path in (tmp_path / "gid5-tiles/image").rglob("*.tif")}
    assert len(left) == 4 * 6, "no block of a skipped image is left"


def test_few_pixels_of_unknown_colour_are_counted_and_unlabelled(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    path = source / "label_5classes/GF2_0_label.tif"
    with without_georeference(), rasterio.open(path) as file:
        colours = file.read()
    colours[:, 50, 60:67] = 1  # inside the overlap of the last row: still seven pixels
    write_raster(path, colours)
    result = run(runner, source, "--size", 64)
    assert "7 label pixels in 1 files are of no known colour" in result.stderr
    facts = json.loads((tmp_path / "gid5-tiles/dataset.json").read_text())
    assert [source["unknown_pixels"] for source in facts["sources"]] == [7, 0, 0]


def test_black_is_unlabelled_in_gid_and_never_unknown(runner, tmp_path):
    result = run(runner, make_gid(tmp_path / "gid5", scenes=3), "--size", 64, "--max-unknown", 0)
    assert "unknown" not in result.stderr


def test_nothing_useful_is_exit_code_4_and_leaves_nothing(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=2)
    for path in (source / "label_5classes").iterdir():
        write_raster(path, np.full((3, 100, 130), 77, np.uint8))
    result = run(runner, source, "--size", 64, code=4)
    assert "nothing can be used" in result.stderr
    assert not (tmp_path / "gid5-tiles").exists()


def test_strict_takes_a_problem_as_an_error(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    (source / "label_5classes/GF2_1_label.tif").unlink()
    result = run(runner, source, "--size", 64, "--strict", code=4)
    assert "image_NirRGB/GF2_1.tif: image without label" in result.stderr
    assert not (tmp_path / "gid5-tiles").exists()


def test_a_header_that_promises_too_much_is_refused(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    side, block = 400_000, 16384
    profile = {"height": side, "width": side, "sparse_ok": True, "bigtiff": "yes", "tiled": True}
    profile |= {"blockxsize": block, "blockysize": block}
    for name, count in (("image_NirRGB/GF2_0.tif", 4), ("label_5classes/GF2_0_label.tif", 3)):
        path = source / name
        with rasterio.open(path, "w", driver="GTiff", dtype="uint8", count=count, **profile,
                           transform=rasterio.Affine(4, 0, 9, 0, -4, 9)):  # fmt: skip
            pass
    result = run(runner, source, "--size", 64)
    assert "GF2_0.tif: says it has 400000 x 400000 pixels" in result.stderr


def test_links_out_of_the_source_are_refused_and_named(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=4)
    outside = tmp_path / "outside.tif"
    (source / "image_NirRGB/GF2_0.tif").rename(outside)
    (source / "image_NirRGB/GF2_0.tif").symlink_to(outside)
    result = run(runner, source, "--size", 64)
    assert "GF2_0.tif: is a link that leads out of the source folder" in result.stderr


def test_odd_names_are_cut_under_safe_ones(runner, tmp_path):
    source = make_plain(tmp_path / "plain")
    for folder, suffix in (("images", "tif"), ("masks", "png")):
        for number, name in enumerate(["Größe 1, (b)", "城市#2", "line\nbreak"]):
            (source / folder / f"s{number}.{suffix}").rename(source / folder / f"{name}.{suffix}")
    result = run(runner, source, "--size", 32)
    assert r"'images/line\nbreak.tif': has unprintable characters" in result.stderr
    tiles = open_tile_set(tmp_path / "plain-tiles")
    scenes = {scene for split in ("train", "val", "test") for scene in tiles.scenes(split)}
    assert scenes == {"Größe_1_b_", "城市_2", "s3", "s4"}


def test_two_scenes_that_would_get_one_name_are_not_mixed(runner, tmp_path):
    source = make_plain(tmp_path / "plain")
    for folder, suffix in (("images", "tif"), ("masks", "png")):
        (source / folder / f"s0.{suffix}").rename(source / folder / f"a b.{suffix}")
        (source / folder / f"s1.{suffix}").rename(source / folder / f"a_b.{suffix}")
    result = run(runner, source, "--size", 32)
    assert "images/a_b.tif: has the same name as images/a b.tif" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 4, "nowhere: no such folder"),
        (["gid5", "--dataset", "gid6"], 4, "neither a built-in dataset"),
        (["empty"], 4, "the classes are not known"),
        (["empty", "--dataset", "gid5"], 4, "holds no image of the dataset 'gid5'"),
        (["gid5", "--size", "3"], 2, "--size 3"),
        (["gid5", "--split", "1:1"], 2, "three whole numbers"),
        (["gid5", "--split-by", "pixel"], 2, "scene or block"),
        (["gid5", "--max-unknown", "7"], 2, "from 0 to 1"),
        (["gid5", "--workers", "0"], 2, "at least 1"),
        (["gid5", "--out", "."], 2, "holds the scenes themselves"),
        (["gid5", "--out", "foreign"], 3, "is not a tile set"),
        (["gid5", "--out", "foreign", "--overwrite"], 3, "is not a tile set"),
        (["gid5", "--test-scenes", "GF2_9"], 2, "there is no scene 'GF2_9'. Did you mean GF2_"),
        (["foreign/file.txt"], 4, "is not a folder"),
    ],
)
def test_wrong_usage_gives_one_message_and_its_exit_code(
    runner, tmp_path, monkeypatch, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    make_gid(tmp_path / "gid5", scenes=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/file.txt").write_text("mine")
    assert message in run(runner, *arguments, code=code).stderr
    assert (tmp_path / "foreign/file.txt").read_text() == "mine"


# Doing it again


def test_a_finished_tile_set_is_left_alone(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    first = run(runner, source, "--size", 64).stdout
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "gid5-tiles").rglob("*")}
    again = run(runner, source, "--size", 64)
    assert "is finished already" in again.stderr
    assert again.stdout == first
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "gid5-tiles").rglob("*")
    } == before


def test_other_settings_are_refused_with_what_differs_until_overwrite(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    run(runner, source, "--size", 64)
    before = content(tmp_path / "gid5-tiles")
    result = run(runner, source, "--size", 50, "--seed", 4, code=3)
    assert "size: 64, now 50" in result.stderr
    assert "seed: 0, now 4" in result.stderr
    assert content(tmp_path / "gid5-tiles") == before
    run(runner, source, "--size", 50, "--overwrite")
    assert open_tile_set(tmp_path / "gid5-tiles").tile_size == 50
    assert {
        len(list(folder.iterdir())) for folder in (tmp_path / "gid5-tiles/image").iterdir()
    } == {6}


def test_changed_files_of_the_source_are_noticed(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=4)
    run(runner, source, "--size", 64)
    path = source / "label_5classes/GF2_0_label.tif"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(bytes(changed))
    for kind, end in (("image_NirRGB", ""), ("label_5classes", "_label")):
        shutil.copy(source / kind / f"GF2_1{end}.tif", source / kind / f"GF2_9{end}.tif")
    result = run(runner, source, "--size", 64, code=3)
    assert "label_5classes/GF2_0_label.tif: has changed" in result.stderr
    assert "image_NirRGB/GF2_9.tif: is new" in result.stderr


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(runner, tmp_path):
    source = make_gid(tmp_path / "gid5")
    run(runner, source, "--size", 64, "--seed", 5, "--workers", 1, "--out", tmp_path / "one")
    run(runner, source, "--size", 64, "--seed", 5, "--workers", 2, "--out", tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_split_by_block_measures_its_training_blocks(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=2)
    run(runner, source, "--size", 64, "--split-by", "block")
    tiles = open_tile_set(tmp_path / "gid5-tiles")
    assert [tiles.count(split) for split in ("train", "val", "test")] == [7, 3, 2]
    blocks = np.stack([tiles.read(ref)[0] for ref in tiles.split("train")])
    assert tiles.statistics["nir"]["mean"] == pytest.approx(blocks[:, 3].mean())
    assert not (tiles.root / ".progress").exists()


def test_too_few_scenes_for_a_split_are_told(runner, tmp_path):
    result = run(runner, make_gid(tmp_path / "gid5", scenes=2), "--size", 64)
    assert "the split test is empty" in result.stderr
    assert "--split-by block" in result.stderr


def group_lives(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("number", "workers", "again_after"),
    [
        (signal.SIGINT, 1, None),
        (signal.SIGTERM, 1, None),
        (signal.SIGINT, 2, None),
        (signal.SIGINT, 2, 0.01),
        (signal.SIGINT, 2, 0.05),
        (signal.SIGKILL, 2, None),
    ],
)
def test_interrupted_at_any_moment_the_same_command_goes_on_to_the_same_bytes(
    runner, tmp_path, number, workers, again_after
):
    source = make_gid(tmp_path / "gid5", scenes=24, height=320, width=320)
    run(runner, source, "--size", 32, "--workers", 1, "--out", tmp_path / "whole")
    out = tmp_path / "broken"
    command = [sys.executable, "-m", "dnas_cli", "tile", str(source), "--size", "32"]
    command += ["--out", str(out), "--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob(".progress/*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to the workers too
        if again_after is not None:
            time.sleep(again_after)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert not (out / "dataset.json").exists(), "the signal came too late to mean anything"
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "Run the same command again" in errors
        assert "Traceback" not in errors
    while group_lives(process.pid):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.01)
    again = run(runner, source, "--size", 32, "--workers", 1, "--out", out)
    assert "of 24 images are cut already" in again.stderr
    assert content(out) == content(tmp_path / "whole")


def test_other_settings_are_refused_while_work_is_unfinished(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    run(runner, source, "--size", 64)
    out = tmp_path / "gid5-tiles"
    settings = json.loads((out / "dataset.json").read_text())["settings"]
    (out / "dataset.json").unlink()
    (out / ".progress").mkdir()
    settings = {"source": str(source.resolve()), **settings}
    (out / ".progress/settings.json").write_text(json.dumps(settings))
    result = run(runner, source, "--size", 32, code=3)
    assert "size: 64, now 32" in result.stderr
    run(runner, source, "--size", 64)
    assert open_tile_set(out).tile_size == 64


def test_an_image_changed_after_an_interruption_is_cut_again(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=3)
    run(runner, source, "--size", 64)
    expected = content(tmp_path / "gid5-tiles")
    # As if interrupted just before the end, with one block lost and one file damaged.
    import dnas_cli.tiles.making as making

    out = tmp_path / "again"
    original = making.write_tile_set
    making.write_tile_set = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt())
    try:
        run(runner, source, "--size", 64, "--out", out, code=130)
    finally:
        making.write_tile_set = original
    (out / "image/GF2_0/GF2_0_0_0_img.tif").unlink()
    (out / "label/GF2_1/GF2_1_0_0_label.png").write_bytes(b"")
    (out / ".progress/GF2_2.npz").write_bytes(b"damaged")
    run(runner, source, "--size", 64, "--out", out)
    assert content(out) == expected


def test_two_processes_do_not_make_one_tile_set_at_once(runner, tmp_path):
    import fcntl

    source = make_gid(tmp_path / "gid5", scenes=3)
    out = tmp_path / "gid5-tiles"
    out.mkdir()
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        result = run(runner, source, "--size", 64, code=3)
    finally:
        os.close(handle)
    assert "another process is making this tile set" in result.stderr


def test_a_full_disk_ends_with_one_message_and_the_same_command_goes_on(tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=6, height=300, width=300)
    command = [sys.executable, "-m", "dnas_cli", "tile", str(source), "--size", "128"]
    limited = ["bash", "-c", 'ulimit -f 40; exec "$@"', "bash", *command]
    broken = subprocess.run(limited, capture_output=True, text=True)
    assert broken.returncode == 1, broken.stderr
    assert "cannot write" in broken.stderr
    assert "Traceback" not in broken.stderr
    subprocess.run(command, check=True, capture_output=True)
    assert open_tile_set(tmp_path / "gid5-tiles").tile_size == 128


def test_images_without_data_and_labels_without_classes_are_named(runner, tmp_path):
    source = make_gid(tmp_path / "gid5", scenes=4)
    write_raster(source / "image_NirRGB/GF2_0.tif", np.zeros((4, 100, 130), np.uint8), nodata=0)
    write_raster(source / "label_5classes/GF2_1_label.tif", np.zeros((3, 100, 130), np.uint8))
    result = run(runner, source, "--size", 64)
    assert "image_NirRGB/GF2_0.tif: holds no data" in result.stderr
    assert "label_5classes/GF2_1_label.tif: labels no pixel" in result.stderr
