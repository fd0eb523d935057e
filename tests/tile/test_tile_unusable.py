"""What `dnas tile` cannot use: images, labels, names and arguments."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from dnas_cli.scenes.opening import without_georeference
from dnas_cli.tiles.dataset_json import open_tile_set
from tests.support.command_line import dnas
from tests.support.small_scenes import make_gid, make_plain, write_raster


def test_everything_unusable_is_named_and_the_rest_is_cut(tmp_path: Path) -> None:
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
    result = dnas("tile", source, "--size", 64)
    for line in (
        "image_NirRGB/GF2_1.tif: image without label",
        "label_5classes/GF2_2_label.tif: label without image",
        "GF2_3_label.tif: has 130 x 99 pixels, but its image has 130 x 100",
        "image_NirRGB/GF2_4.tif: cannot be opened as a raster",
        "image_NirRGB/GF2_5.tif: cannot be read at row",
        "100.0% of the label has the colour of no class ((77, 77, 77) on 100.0%)",
        "image_NirRGB/GF2_7.tif: has 2 bands",
        "image_NirRGB/GF2_8.tif: has values uint16, but most have uint8",
    ):
        assert line in result.stderr, line
    assert "skipped: 8" in result.stdout
    facts = json.loads((tmp_path / "gid5-tiles/dataset.json").read_text())
    assert len(facts["skipped"]) == 8
    assert len(facts["sources"]) == 4
    left = {path.name for path in (tmp_path / "gid5-tiles/image").rglob("*.tif")}
    assert len(left) == 4 * 6, "no tile of a skipped image is left"


def test_a_crs_that_tiles_cannot_hold_is_a_warning(tmp_path: Path) -> None:
    rotated = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +ellps=WGS84"
    place = {"crs": rasterio.CRS.from_string(rotated), "transform": rasterio.Affine.scale(0.1)}
    result = dnas("tile", make_plain(tmp_path / "plain", **place), "--size", 32, "--workers", 1)
    assert "has a coordinate reference system that tiles, being GeoTIFFs, cannot" in result.stderr


def test_few_pixels_of_unknown_colour_are_counted_and_unlabelled(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    path = source / "label_5classes/GF2_0_label.tif"
    with without_georeference(), rasterio.open(path) as file:
        colours = file.read()
    colours[:, 50, 60:67] = 1  # inside the overlap of the last row: still seven pixels
    write_raster(path, colours)
    result = dnas("tile", source, "--size", 64)
    assert "7 label pixels in 1 files are of no known colour" in result.stderr
    facts = json.loads((tmp_path / "gid5-tiles/dataset.json").read_text())
    assert [source["unknown_pixels"] for source in facts["sources"]] == [7, 0, 0]


def test_black_is_unlabelled_in_gid_and_never_unknown(tmp_path: Path) -> None:
    result = dnas("tile", make_gid(tmp_path / "gid5", scenes=3), "--size", 64, "--max-unknown", 0)
    assert "unknown" not in result.stderr


def test_nothing_useful_is_exit_code_4_and_leaves_nothing(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=2)
    for path in (source / "label_5classes").iterdir():
        write_raster(path, np.full((3, 100, 130), 77, np.uint8))
    result = dnas("tile", source, "--size", 64, code=4)
    assert "no file can be used" in result.stderr
    assert not (tmp_path / "gid5-tiles").exists()


def test_strict_takes_a_problem_as_an_error(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    (source / "label_5classes/GF2_1_label.tif").unlink()
    result = dnas("tile", source, "--size", 64, "--strict", code=4)
    assert "image_NirRGB/GF2_1.tif: image without label" in result.stderr
    assert not (tmp_path / "gid5-tiles").exists()


def test_a_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    side, block = 400_000, 16384
    profile = {"height": side, "width": side, "sparse_ok": True, "bigtiff": "yes", "tiled": True}
    profile |= {"blockxsize": block, "blockysize": block}
    for name, count in (("image_NirRGB/GF2_0.tif", 4), ("label_5classes/GF2_0_label.tif", 3)):
        path = source / name
        with rasterio.open(path, "w", driver="GTiff", dtype="uint8", count=count, **profile,
                           transform=rasterio.Affine(4, 0, 9, 0, -4, 9)):  # fmt: skip
            pass
    result = dnas("tile", source, "--size", 64)
    assert "GF2_0.tif: says it has 400000 x 400000 pixels" in result.stderr


def test_links_out_of_the_source_are_refused_and_named(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=4)
    outside = tmp_path / "outside.tif"
    (source / "image_NirRGB/GF2_0.tif").rename(outside)
    (source / "image_NirRGB/GF2_0.tif").symlink_to(outside)
    result = dnas("tile", source, "--size", 64)
    assert "GF2_0.tif: is a link that leads out of the source folder" in result.stderr


def test_odd_names_are_cut_under_safe_ones(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "plain")
    for folder, suffix in (("images", "tif"), ("masks", "png")):
        for number, name in enumerate(["Größe 1, (b)", "城市#2", "line\nbreak"]):
            (source / folder / f"s{number}.{suffix}").rename(source / folder / f"{name}.{suffix}")
    result = dnas("tile", source, "--size", 32)
    assert r"'images/line\nbreak.tif': has unprintable characters" in result.stderr
    tiles = open_tile_set(tmp_path / "plain-tiles")
    scenes = {scene for split in ("train", "val", "test") for scene in tiles.scenes(split)}
    assert scenes == {"Größe_1_b_", "城市_2", "s3", "s4"}


def test_two_scenes_that_would_get_one_name_are_not_mixed(tmp_path: Path) -> None:
    source = make_plain(tmp_path / "plain")
    for folder, suffix in (("images", "tif"), ("masks", "png")):
        (source / folder / f"s0.{suffix}").rename(source / folder / f"a b.{suffix}")
        (source / folder / f"s1.{suffix}").rename(source / folder / f"a_b.{suffix}")
    result = dnas("tile", source, "--size", 32)
    assert "images/a_b.tif: has the same name as images/a b.tif" in result.stderr


def test_images_without_data_and_labels_without_classes_are_named(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=4)
    write_raster(source / "image_NirRGB/GF2_0.tif", np.zeros((4, 100, 130), np.uint8), nodata=0)
    write_raster(source / "label_5classes/GF2_1_label.tif", np.zeros((3, 100, 130), np.uint8))
    result = dnas("tile", source, "--size", 64)
    assert "image_NirRGB/GF2_0.tif: holds no data" in result.stderr
    assert "label_5classes/GF2_1_label.tif: labels no pixel" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 4, "nowhere: no such folder"),
        (["gid5", "--dataset", "gid6"], 4, "neither a built-in dataset"),
        (["empty"], 4, "the classes are not known"),
        (["empty", "--dataset", "gid5"], 4, "holds no image of the dataset 'gid5'"),
        (["gid5", "--size", "3"], 2, "--size 3"),
        (["gid5", "--split", "1:1"], 2, "three whole numbers"),
        (["gid5", "--split-by", "pixel"], 2, "'pixel' is not one of"),
        (["gid5", "--max-unknown", "7"], 2, "--max-unknown 7.0: must be at most 1"),
        (["gid5", "--workers", "0"], 2, "at least 1"),
        (["gid5", "--out", "."], 2, "holds the scenes themselves"),
        (["gid5", "--out", "foreign"], 3, "is not a tile set"),
        (["gid5", "--out", "foreign", "--overwrite"], 3, "is not a tile set"),
        (
            ["gid5", "--test-scenes", "GF2_9"],
            2,
            "--test-scenes 'GF2_9': no such scene. Did you mean GF2_",
        ),
        (["foreign/file.txt"], 4, "is not a folder"),
    ],
)
def test_wrong_usage_gives_one_message_and_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_gid(tmp_path / "gid5", scenes=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/file.txt").write_text("mine")
    assert message in dnas("tile", *arguments, code=code).stderr
    assert (tmp_path / "foreign/file.txt").read_text() == "mine"
