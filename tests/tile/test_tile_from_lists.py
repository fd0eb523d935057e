"""`dnas tile --from-lists`: tiles that were cut elsewhere."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.grid import tile_rows
from dnas_cli.tiles.listed_shapes import image_shapes
from dnas_cli.tiles.lists import TileRef, read_list, scene_of
from tests.support.command_line import dnas
from tests.support.small_scenes import write_raster


def publish(cut: Path, folder: Path, prefix: str = "rs_") -> Path:
    """Tiles and lists as they are published: no description."""
    shutil.copytree(cut / "image", folder / "image")
    shutil.copytree(cut / "label", folder / "label")
    for split in ("train", "val", "test"):
        shutil.copy(cut / f"{split}.lst", folder / f"{prefix}{split}.lst")
    return folder


def test_published_tiles_are_taken_over_where_they_are(cut: Path, tmp_path: Path) -> None:
    published = publish(cut, tmp_path / "rs")
    (published / "._rs_train.lst").write_bytes(b"\0Mac OS X")
    dnas("tile", published, "--dataset", "gid5", "--from-lists", published)
    taken, own = open_tile_set(tmp_path / "rs-tiles"), open_tile_set(cut)
    assert sorted(path.name for path in taken.root.iterdir()) == [
        "dataset.json", "preview-test.png", "preview-train.png", "preview-val.png",
        "test.lst", "train.lst", "val.lst",
    ]  # fmt: skip
    assert taken.split("train") == own.split("train")
    for mine, theirs in zip(
        taken.read(taken.split("test")[0]), own.read(own.split("test")[0]), strict=True
    ):
        assert (mine == theirs).all()


def test_published_tiles_count_each_pixel_once(cut: Path, tmp_path: Path) -> None:
    published = publish(cut, tmp_path / "rs")
    dnas("tile", published, "--dataset", "gid5", "--from-lists", published)
    taken, own = open_tile_set(tmp_path / "rs-tiles"), open_tile_set(cut)
    for split in ("train", "val", "test"):
        assert taken.class_pixels(split) == own.class_pixels(split)
        assert taken.unlabelled_pixels(split) == own.unlabelled_pixels(split)
        for ref in own.split(split):
            for mine, theirs in zip(taken.read_once(ref), own.read_once(ref), strict=True):
                assert (mine == theirs).all()
    for band, known in own.statistics.items():
        assert taken.statistics[band]["count"] == known["count"]
        assert taken.statistics[band]["mean"] == pytest.approx(known["mean"])


@pytest.mark.parametrize("shape", [(96, 130), (100, 128), (70, 64), (64, 64), (129, 129)])
@pytest.mark.parametrize("kind", ["noise", "dull", "lossy"])
def test_the_size_of_an_image_is_found_by_what_tiles_share(
    shape: tuple[int, int], kind: str
) -> None:
    scene = np.random.default_rng(0).integers(0, 255, (2, *shape))
    scene[:, :, 40:] = 7 if kind == "dull" else scene[:, :, 40:]
    tiles = {
        TileRef(f"image/s/s_{row}_{column}_img.tif", "", "s"): scene[
            :, window.row : window.row + 64, window.column : window.column + 64
        ]
        + (kind == "lossy") * (row + 2 * column)
        for row, windows in enumerate(tile_rows(*shape, 64))
        for column, window in enumerate(windows)
    }
    found = image_shapes(tiles, tiles.__getitem__, 64).get("s")
    if kind == "lossy":  # counted as they are listed
        assert found == tuple(64 * -(-side // 64) for side in shape)
    elif kind == "dull" and shape[1] > 64:
        assert found is None
    else:
        assert found == shape


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
    assert taken.class_pixels("val") == open_tile_set(cut).class_pixels("val")


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


def test_a_scene_in_two_splits_is_seen_where_folders_are_named_after_splits(
    cut: Path, tmp_path: Path
) -> None:
    published, lists = tmp_path / "rs", dict[str, list[str]]()
    for number, ref in enumerate(read_list(cut / "train.lst")[:4]):
        split = ("train", "val")[number % 2]
        name = Path(ref.image).stem.removesuffix("_img")
        for kind, listed in (("images", ref.image), ("labels", ref.label)):
            place = published / kind / split / f"{name}{Path(listed).suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(cut / listed, place)
        lists.setdefault(split, []).append(f"images/{split}/{name}.tif\tlabels/{split}/{name}.png")
    first, second = lists["train"][:2]
    # The same blocks by other spellings.
    lists["val"] += [first.replace("/", "/./", 1), second.replace("/", "//", 1)]
    for split, lines in lists.items():
        (published / f"rs_{split}.lst").write_text("\n".join(lines))
    arguments = (published, "--dataset", "gid5", "--from-lists", published)
    message = dnas("tile", *arguments, "--strict", code=4).stderr
    scene = scene_of(first.split("\t")[0])
    assert f"1 scenes are in more than one split: {scene}" in message
    for line in (first, second):
        assert f"{line.split(chr(9))[0]}: is listed in train and val" in message


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
