"""`dnas tile --from-lists`: tiles that were cut elsewhere, taken over."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.lists import read_list, scene_of
from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas
from tests.support.small_scenes import write_raster


def publish(cut: Path, folder: Path, prefix: str = "rs_") -> Path:
    """Tiles and lists as they are published: no description."""
    shutil.copytree(cut / "image", folder / "image")
    shutil.copytree(cut / "label", folder / "label")
    for split in ("train", "val", "test"):
        shutil.copy(cut / f"{split}.lst", folder / f"{prefix}{split}.lst")
    return folder


def class_pixels_of_tiles(tiles: TileSet, split: str) -> dict[str, int]:
    """Count every pixel of every tile: lists do not say which parts of tiles overlap."""
    labels = np.concatenate([tiles.read(ref)[2].ravel() for ref in tiles.split(split)])
    return {item.name: int((labels == n).sum()) for n, item in enumerate(tiles.classes)}


def test_published_tiles_are_taken_over_where_they_are(cut: Path, tmp_path: Path) -> None:
    published = publish(cut, tmp_path / "rs")
    dnas("tile", published, "--dataset", "gid5", "--from-lists", published)
    taken, own = open_tile_set(tmp_path / "rs-tiles"), open_tile_set(cut)
    assert sorted(path.name for path in taken.root.iterdir()) == [
        "dataset.json", "preview-test.png", "preview-train.png", "preview-val.png",
        "test.lst", "train.lst", "val.lst",
    ]  # fmt: skip
    assert taken.split("train") == own.split("train")
    assert taken.class_pixels("train") == class_pixels_of_tiles(own, "train")
    images, valid = zip(*(own.read(ref)[:2] for ref in own.split("train")), strict=True)
    pixels = np.concatenate([i[:, v] for i, v in zip(images, valid, strict=True)], axis=1)
    for band, values in zip(own.bands, pixels, strict=True):
        assert taken.statistics[band]["count"] == values.size
        assert taken.statistics[band]["mean"] == pytest.approx(values.mean())
        assert taken.statistics[band]["std"] == pytest.approx(values.std())
    for mine, theirs in zip(
        taken.read(taken.split("test")[0]), own.read(own.split("test")[0]), strict=True
    ):
        assert (mine == theirs).all()


def test_taking_over_twice_does_nothing_and_other_lists_are_refused(
    cut: Path, tmp_path: Path
) -> None:
    published = publish(cut, tmp_path / "rs")
    arguments = (published, "--dataset", "gid5", "--from-lists", published)
    dnas("tile", *arguments)
    assert "is finished already" in dnas("tile", *arguments).stderr
    with (published / "rs_test.lst").open("a") as file:
        file.write("\n")
    assert "from_lists.test.sha256" in dnas("tile", *arguments, code=3).stderr


def test_grey_labels_of_a_colour_dataset_are_class_indices(cut: Path, tmp_path: Path) -> None:
    published = publish(cut, tmp_path / "rs")
    for path in (published / "label").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path)).copy()).save(path)
    dnas("tile", published, "--dataset", "gid5", "--from-lists", published)
    taken = open_tile_set(tmp_path / "rs-tiles")
    assert taken.class_pixels("val") == class_pixels_of_tiles(open_tile_set(cut), "val")


def make_fbp(folder: Path) -> Path:
    """Tiles as FBP's: bands NIR R G B, labels 0 = unlabelled and 1 to 24."""
    for number in range(6):
        split = ("train", "train", "train", "train", "val", "test")[number]
        name = f"GF2_{number}_0_0"
        write_raster(
            folder / f"image/GF2_{number}/{name}_img.tif",
            np.random.default_rng(number).integers(0, 255, (4, 32, 32)).astype(np.uint8),
        )
        label = np.full((32, 32), number, np.uint8)  # the first scene has no labels at all
        label[0] = 24
        (folder / f"label/GF2_{number}").mkdir(parents=True)
        Image.fromarray(label).save(folder / f"label/GF2_{number}/{name}_label.png")
        with (folder / f"fbp_512_{split}.lst").open("a") as file:
            file.write(
                f"image/GF2_{number}/{name}_img.tif\tlabel/GF2_{number}/{name}_label.png\r\n"
            )
    return folder


def test_fbp_labels_are_one_less_than_stored_and_its_band_order_is_kept(tmp_path: Path) -> None:
    published = make_fbp(tmp_path / "fbp")
    dnas("tile", published, "--dataset", "fbp", "--from-lists", published, "--workers", 2)
    tiles = open_tile_set(tmp_path / "fbp-tiles")
    assert tiles.bands == ("nir", "red", "green", "blue")
    assert (tiles.tile_size, len(tiles.classes)) == (32, 24)
    assert tiles.class_pixels("train")["industrial area"] == 31 * 32
    assert tiles.class_pixels("train")["airport"] == 4 * 32
    assert tiles.unlabelled_pixels("train") == 31 * 32
    _, _, label = tiles.read(tiles.split("test")[0])
    assert label[0, 0] == 23
    assert label[1, 0] == 4


def test_a_scene_in_two_splits_is_a_warning_and_with_strict_an_error(
    cut: Path, tmp_path: Path
) -> None:
    published = publish(cut, tmp_path / "rs")
    train = (published / "rs_train.lst").read_text().splitlines(keepends=True)
    (published / "rs_train.lst").write_text("".join(train[1:]))
    with (published / "rs_test.lst").open("a") as file:
        file.write(train[0])
    scene = scene_of(train[0].split("\t")[0])
    arguments = (published, "--dataset", "gid5", "--from-lists", published)
    message = f"1 scenes are in more than one split: {scene}"
    assert message in dnas("tile", *arguments, "--strict", code=4).stderr
    assert not (tmp_path / "rs-tiles").exists()
    assert message in dnas("tile", *arguments).stderr


def test_scenes_that_are_listed_twice_over_are_named_before_their_tiles(
    cut: Path, tmp_path: Path
) -> None:
    published = publish(cut, tmp_path / "rs")
    shutil.copy(published / "rs_train.lst", published / "rs_val.lst")
    refs = read_list(published / "rs_train.lst")
    arguments = (published, "--dataset", "gid5", "--from-lists", published, "--strict")
    lines = dnas("tile", *arguments, code=4).stderr.splitlines()
    scenes = sorted({ref.scene for ref in refs})
    assert f"{len(scenes)} scenes are in more than one split: {', '.join(scenes)}" in lines[1]
    assert f"{refs[0].image}: is listed in train and val" in lines[2]


def test_one_odd_tile_at_the_head_of_a_list_does_not_decide_for_all(
    cut: Path, tmp_path: Path
) -> None:
    published = publish(cut, tmp_path / "rs")
    first = read_list(published / "rs_train.lst")[0]
    write_raster(published / first.image, np.zeros((4, 32, 32), np.uint8))
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(published / first.label)
    result = dnas("tile", published, "--dataset", "gid5", "--from-lists", published)
    assert f"{first.image}: has 32 x 32 pixels, but most have 64 x 64" in result.stderr
    own = open_tile_set(cut)
    taken = open_tile_set(tmp_path / "rs-tiles")
    assert taken.count("train") == own.count("train") - 1
    assert taken.split("test") == own.split("test")


def test_missing_odd_and_doubled_tiles_are_named_and_left_out(cut: Path, tmp_path: Path) -> None:
    published = publish(cut, tmp_path / "rs")
    lines = (published / "rs_train.lst").read_text().splitlines()
    first, second, third, fourth = (line.split("\t") for line in lines[:4])
    (published / first[0]).unlink()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(published / second[1])
    write_raster(published / third[0], np.zeros((3, 64, 64), np.uint8))
    (tmp_path / "outside.png").write_bytes((published / fourth[1]).read_bytes())
    (published / fourth[1]).unlink()
    (published / fourth[1]).symlink_to(tmp_path / "outside.png")
    with (published / "rs_train.lst").open("a") as file:
        file.write(lines[5] + "\n")
    result = dnas("tile", published, "--dataset", "gid5", "--from-lists", published)
    for message in (
        f"image {first[0]}: no such file",
        f"{second[1]}: has 9 x 9 pixels",
        f"{third[0]}: has 3 bands, but most have 4",
        "is a link that leads out of",
        "is listed twice",
    ):
        assert message in result.stderr, message
    assert open_tile_set(tmp_path / "rs-tiles").count("train") == len(lines) - 4


def test_lists_can_be_named_one_by_one_and_lie_elsewhere(cut: Path, tmp_path: Path) -> None:
    published = publish(cut, tmp_path / "rs")
    lists = tmp_path / "lists"
    lists.mkdir()
    for split in ("train", "test"):
        (published / f"rs_{split}.lst").rename(lists / f"my-{split}.txt")
    dnas(
        "tile", published, "--dataset", "gid5",
        "--from-lists", lists / "my-train.txt", "--from-lists", lists / "my-test.txt",
    )  # fmt: skip
    tiles = open_tile_set(tmp_path / "rs-tiles")
    assert [tiles.count(split) for split in ("train", "val", "test")] == [6, 0, 6]


@pytest.mark.parametrize(
    ("names", "given", "code", "message"),
    [
        (["a_train.lst", "b_train.lst"], ".", 2, "are for train"),
        (["a.lst"], ".", 4, "holds no list"),
        (["a.lst"], "a.lst", 2, "does not say train, val or test"),
        ([], "missing.lst", 4, "no such list file"),
    ],
)
def test_lists_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, names: list[str], given: str, code: int, message: str
) -> None:
    for name in names:
        (tmp_path / "rs").mkdir(exist_ok=True)
        (tmp_path / "rs" / name).write_text("")
    (tmp_path / "rs").mkdir(exist_ok=True)
    result = dnas(
        "tile", tmp_path / "rs", "--dataset", "gid5", "--from-lists", tmp_path / "rs" / given,
        code=code,
    )  # fmt: skip
    assert message in result.stderr


def test_nothing_usable_in_the_lists_is_exit_code_4(tmp_path: Path) -> None:
    (tmp_path / "rs").mkdir()
    (tmp_path / "rs/rs_train.lst").write_text("image/a_0_0_img.tif\tlabel/a_0_0_label.png\n")
    result = dnas(
        "tile", tmp_path / "rs", "--dataset", "gid5", "--from-lists", tmp_path / "rs", code=4
    )
    assert "image image/a_0_0_img.tif: no such file" in result.stderr
    assert not (tmp_path / "rs-tiles").exists()
