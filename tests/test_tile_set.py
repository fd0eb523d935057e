"""Tile sets: opening, reading, taking over blocks that were cut elsewhere."""

import contextlib
import json
import pickle
import shutil

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from small_scenes import class_indices, make_gid, write_raster

from dnas_cli.app import app
from dnas_cli.errors import DataError
from dnas_cli.tiles.description import BUILT_IN, load_description, parse_description
from dnas_cli.tiles.lists import read_list, scene_of
from dnas_cli.tiles.statistics import BandStatistics
from dnas_cli.tiles.tile_set import open_tile_set

FUZZ = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def run(runner, *arguments, code=0):
    result = runner.invoke(app, ["tile", *map(str, arguments)])
    assert result.exit_code == code, result.output + result.stderr
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A small tile set with three scenes, for tests that change nothing."""
    from typer.testing import CliRunner

    folder = tmp_path_factory.mktemp("cut")
    run(CliRunner(), make_gid(folder / "gid5", scenes=3), "--size", 64)
    return folder / "gid5-tiles"


@pytest.fixture
def tiles(cut, tmp_path):
    """A copy of the tile set, to be spoilt."""
    return shutil.copytree(cut, tmp_path / "tiles")


# Opening and reading


def test_an_opened_tile_set_gives_images_validity_and_labels(cut):
    tiles = open_tile_set(cut)
    assert [land_class.name for land_class in tiles.classes] == [
        "built-up", "farmland", "forest", "meadow", "water",
    ]  # fmt: skip
    ref = tiles.split("val")[0]
    image, valid, label = tiles.read(ref)
    assert (image.shape, image.dtype) == ((4, 64, 64), np.uint8)
    assert (valid.shape, valid.dtype) == ((64, 64), np.bool_)
    assert (label.shape, label.dtype) == ((64, 64), np.uint8)
    expected = class_indices(int(ref.scene[-1]), 100, 130)[:64, :64]
    assert (label == np.where(expected == 5, 255, expected)).all()


def test_a_tile_set_can_be_sent_to_worker_processes(cut):
    tiles = open_tile_set(cut)
    again = pickle.loads(pickle.dumps(tiles))
    assert again == tiles
    ref = again.split("train")[0]
    assert (again.read(ref)[0] == tiles.read(ref)[0]).all()


def test_the_fingerprint_follows_the_content_and_not_the_place(cut, tiles):
    assert open_tile_set(tiles).fingerprint == open_tile_set(cut).fingerprint
    lines = (tiles / "train.lst").read_text().splitlines(keepends=True)
    (tiles / "train.lst").write_text("".join(lines[1:]))
    assert open_tile_set(tiles).fingerprint != open_tile_set(cut).fingerprint


def test_an_unknown_or_empty_or_missing_split_is_refused(tiles):
    with pytest.raises(DataError, match="no split 'train2'"):
        open_tile_set(tiles).split("train2")
    (tiles / "val.lst").write_text("\n")
    with pytest.raises(DataError, match="'val' holds no blocks"):
        open_tile_set(tiles).split("val")
    (tiles / "val.lst").unlink()
    with pytest.raises(DataError, match=r"val\.lst: is missing"):
        open_tile_set(tiles).split("val")


def test_a_folder_that_is_no_tile_set_is_refused_with_what_to_do(tmp_path, tiles):
    with pytest.raises(DataError, match=r"(?s)no such folder.*dnas tile"):
        open_tile_set(tmp_path / "missing")
    with pytest.raises(DataError, match=r"no tile set \(no dataset\.json\)"):
        open_tile_set(tmp_path)
    (tiles / "dataset.json").unlink()
    (tiles / ".progress").mkdir()
    with pytest.raises(DataError, match=r"(?s)unfinished.*goes on where it stopped"):
        open_tile_set(tiles)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "does not describe a tile set"),
        ({"version": 2}, "version 2 of the tile set format"),
        ({"bands": ["red"]}, "is damaged"),
        ({"classes": []}, "is damaged"),
        ({"classes": [{"name": "a", "colour": [1, 2]}]}, "is damaged"),
        ({"tile_size": 10**9}, "is damaged"),
        ({"normalisation": {"scale": 1, "mean": [1] * 4, "std": [0] * 4}}, "is damaged"),
        ({"dtype": "no such type"}, "is damaged"),
        ({"statistics": {}}, "is damaged"),
        ({"blocks": "../nowhere"}, "are not there any more"),
    ],
)
def test_a_damaged_description_is_refused_by_name(tiles, change, message):
    facts = json.loads((tiles / "dataset.json").read_text()) | change
    (tiles / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=rf"(?s)tiles.*{message}"):
        open_tile_set(tiles)


@FUZZ
@given(st.data())
def test_any_damage_to_the_description_gives_a_known_error(tiles, data):
    facts = json.loads((tiles / "dataset.json").read_text())
    odd = st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=9), st.lists(st.integers()),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.just(10**400),
    )  # fmt: skip
    holder, key = facts, data.draw(st.sampled_from(sorted(facts)))
    while isinstance(holder[key], dict) and holder[key] and data.draw(st.booleans()):
        holder, key = holder[key], data.draw(st.sampled_from(sorted(holder[key])))
    holder[key] = data.draw(odd)
    text = json.dumps(facts)
    copy = tiles.parent / "fuzzed"
    copy.mkdir(exist_ok=True)
    (copy / "dataset.json").write_text(text)
    with contextlib.suppress(DataError):
        assert open_tile_set(copy).tile_size > 0


def test_a_block_that_is_damaged_missing_or_of_another_size_is_refused_by_name(tiles):
    opened = open_tile_set(tiles)
    first, second, third = opened.split("train")[:3]
    (tiles / first.image).write_bytes((tiles / first.image).read_bytes()[:2000])
    with pytest.raises(DataError, match="0_0_img"):
        opened.read(first)
    (tiles / second.label).unlink()
    with pytest.raises(DataError, match="0_1_label"):
        opened.read(second)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tiles / third.label)
    with pytest.raises(DataError, match="has 9 x 9 pixels"):
        opened.read(third)


# Lists from elsewhere


@pytest.mark.parametrize(
    "line",
    [
        "../outside.tif\tlabel/a.png",
        "image/../../outside.tif\tlabel/a.png",
        "/etc/passwd\tlabel/a.png",
        "image/a.tif\t/etc/passwd",
        "C:/a.tif\tlabel/a.png",
        "image\\..\\a.tif\tlabel/a.png",
        "/vsicurl/http://example.org/a.tif\tlabel/a.png",
        "http://example.org/a.tif\tlabel/a.png",
        "image/a\x00.tif\tlabel/a.png",
        "image/a.tif",
        "image/a.tif\tlabel/a.png\tmore",
        "\tlabel/a.png",
    ],
)
def test_a_line_that_leaves_the_folder_is_refused_with_its_number(tiles, line):
    with (tiles / "train.lst").open("a") as file:
        file.write("\n" + line + "\n")
    with pytest.raises(DataError, match=r"train\.lst: line 8"):
        open_tile_set(tiles)


def test_a_link_out_of_the_tile_set_is_refused_when_read(tiles, tmp_path):
    opened = open_tile_set(tiles)
    ref = opened.split("train")[0]
    (tiles / ref.image).rename(tmp_path / "outside.tif")
    (tiles / ref.image).symlink_to(tmp_path / "outside.tif")
    with pytest.raises(DataError, match="leads out of"):
        opened.read(ref)


@FUZZ
@given(st.binary(max_size=300))
def test_any_list_file_is_read_or_refused(tmp_path, content):
    path = tmp_path / "train.lst"
    path.write_bytes(content)
    try:
        refs = read_list(path)
    except DataError:
        return
    assert all(not ref.image.startswith("/") and ".." not in ref.image.split("/") for ref in refs)


@pytest.mark.parametrize(
    ("image", "scene"),
    [
        ("image/GF2_1/GF2_1_0_12_img.tif", "GF2_1"),
        ("images/GF2_1_0_12_img.tif", "GF2_1"),
        ("GF2_1_3_4.tif", "GF2_1"),
        ("photo.tif", "photo"),
    ],
)
def test_the_scene_of_a_block_is_told_by_its_path(image, scene):
    assert scene_of(image) == scene


# Taking over blocks


def publish(cut, folder, prefix="rs_"):
    """Blocks and lists as they are published: no description."""
    shutil.copytree(cut / "image", folder / "image")
    shutil.copytree(cut / "label", folder / "label")
    for split in ("train", "val", "test"):
        shutil.copy(cut / f"{split}.lst", folder / f"{prefix}{split}.lst")
    return folder


def test_published_blocks_are_taken_over_where_they_are(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    run(runner, blocks, "--dataset", "gid5", "--from-lists", blocks)
    taken, own = open_tile_set(tmp_path / "rs-tiles"), open_tile_set(cut)
    assert sorted(path.name for path in taken.root.iterdir()) == [
        "dataset.json", "test.lst", "train.lst", "val.lst",
    ]  # fmt: skip
    assert taken.split("train") == own.split("train")
    assert taken.class_pixels("train") == own.class_pixels("train")
    assert taken.statistics == own.statistics
    assert taken.normalisation == own.normalisation
    for mine, theirs in zip(
        taken.read(taken.split("test")[0]), own.read(own.split("test")[0]), strict=True
    ):
        assert (mine == theirs).all()


def test_taking_over_twice_does_nothing_and_other_lists_are_refused(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    arguments = (blocks, "--dataset", "gid5", "--from-lists", blocks)
    run(runner, *arguments)
    assert "is finished already" in run(runner, *arguments).stderr
    with (blocks / "rs_test.lst").open("a") as file:
        file.write("\n")
    assert "from_lists.test.sha256" in run(runner, *arguments, code=3).stderr


def test_grey_labels_of_a_colour_dataset_are_class_indices(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    for path in (blocks / "label").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path)).copy()).save(path)
    run(runner, blocks, "--dataset", "gid5", "--from-lists", blocks)
    assert open_tile_set(tmp_path / "rs-tiles").class_pixels("val") == open_tile_set(
        cut
    ).class_pixels("val")


def make_fbp(folder):
    """Blocks as FBP's: bands NIR R G B, labels 0 = unlabelled and 1 to 24."""
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


def test_fbp_labels_are_one_less_than_stored_and_its_band_order_is_kept(runner, tmp_path):
    blocks = make_fbp(tmp_path / "fbp")
    run(runner, blocks, "--dataset", "fbp", "--from-lists", blocks, "--workers", 2)
    tiles = open_tile_set(tmp_path / "fbp-tiles")
    assert tiles.bands == ("nir", "red", "green", "blue")
    assert (tiles.tile_size, len(tiles.classes)) == (32, 24)
    assert tiles.class_pixels("train")["industrial area"] == 31 * 32
    assert tiles.class_pixels("train")["airport"] == 4 * 32
    assert tiles.unlabelled_pixels("train") == 31 * 32
    _, _, label = tiles.read(tiles.split("test")[0])
    assert label[0, 0] == 23
    assert label[1, 0] == 4


def test_a_scene_in_two_splits_is_a_warning_and_with_strict_an_error(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    train = (blocks / "rs_train.lst").read_text().splitlines(keepends=True)
    (blocks / "rs_train.lst").write_text("".join(train[1:]))
    with (blocks / "rs_test.lst").open("a") as file:
        file.write(train[0])
    scene = scene_of(train[0].split("\t")[0])
    arguments = (blocks, "--dataset", "gid5", "--from-lists", blocks)
    message = f"1 scenes are in more than one split: {scene}"
    assert message in run(runner, *arguments, "--strict", code=4).stderr
    assert not (tmp_path / "rs-tiles").exists()
    assert message in run(runner, *arguments).stderr


def test_scenes_that_are_listed_twice_over_are_named_before_their_blocks(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    shutil.copy(blocks / "rs_train.lst", blocks / "rs_val.lst")
    refs = read_list(blocks / "rs_train.lst")
    arguments = (blocks, "--dataset", "gid5", "--from-lists", blocks, "--strict")
    lines = run(runner, *arguments, code=4).stderr.splitlines()
    scenes = sorted({ref.scene for ref in refs})
    assert f"{len(scenes)} scenes are in more than one split: {', '.join(scenes)}" in lines[1]
    assert f"{refs[0].image}: is listed in train and val" in lines[2]


def test_one_odd_block_at_the_head_of_a_list_does_not_decide_for_all(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    first = read_list(blocks / "rs_train.lst")[0]
    write_raster(blocks / first.image, np.zeros((4, 32, 32), np.uint8))
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(blocks / first.label)
    result = run(runner, blocks, "--dataset", "gid5", "--from-lists", blocks)
    assert f"{first.image}: has 32 x 32 pixels, but most have 64 x 64" in result.stderr
    own = open_tile_set(cut)
    taken = open_tile_set(tmp_path / "rs-tiles")
    assert taken.count("train") == own.count("train") - 1
    assert taken.split("test") == own.split("test")


def test_missing_odd_and_doubled_blocks_are_named_and_left_out(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    lines = (blocks / "rs_train.lst").read_text().splitlines()
    first, second, third, fourth = (line.split("\t") for line in lines[:4])
    (blocks / first[0]).unlink()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(blocks / second[1])
    write_raster(blocks / third[0], np.zeros((3, 64, 64), np.uint8))
    (tmp_path / "outside.png").write_bytes((blocks / fourth[1]).read_bytes())
    (blocks / fourth[1]).unlink()
    (blocks / fourth[1]).symlink_to(tmp_path / "outside.png")
    with (blocks / "rs_train.lst").open("a") as file:
        file.write(lines[5] + "\n")
    result = run(runner, blocks, "--dataset", "gid5", "--from-lists", blocks)
    for message in (
        f"image {first[0]}: no such file",
        f"{second[1]}: has 9 x 9 pixels",
        f"{third[0]}: has 3 bands, but most have 4",
        "is a link that leads out of",
        "is listed twice",
    ):
        assert message in result.stderr, message
    assert open_tile_set(tmp_path / "rs-tiles").count("train") == len(lines) - 4


def test_lists_can_be_named_one_by_one_and_lie_elsewhere(runner, cut, tmp_path):
    blocks = publish(cut, tmp_path / "rs")
    lists = tmp_path / "lists"
    lists.mkdir()
    for split in ("train", "test"):
        (blocks / f"rs_{split}.lst").rename(lists / f"my-{split}.txt")
    run(
        runner, blocks, "--dataset", "gid5",
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
def test_lists_that_cannot_be_told_apart_are_refused(runner, tmp_path, names, given, code, message):
    for name in names:
        (tmp_path / "rs").mkdir(exist_ok=True)
        (tmp_path / "rs" / name).write_text("")
    (tmp_path / "rs").mkdir(exist_ok=True)
    result = run(
        runner, tmp_path / "rs", "--dataset", "gid5", "--from-lists", tmp_path / "rs" / given,
        code=code,
    )  # fmt: skip
    assert message in result.stderr


def test_nothing_usable_in_the_lists_is_exit_code_4(runner, tmp_path):
    (tmp_path / "rs").mkdir()
    (tmp_path / "rs/rs_train.lst").write_text("image/a_0_0_img.tif\tlabel/a_0_0_label.png\n")
    result = run(
        runner, tmp_path / "rs", "--dataset", "gid5", "--from-lists", tmp_path / "rs", code=4
    )
    assert "image image/a_0_0_img.tif: no such file" in result.stderr
    assert not (tmp_path / "rs-tiles").exists()


# Descriptions


def test_the_built_in_descriptions_are_valid():
    counts = {name: len(load_description(name).classes) for name in BUILT_IN}
    assert counts == {"gid5": 5, "gid15": 15, "fbp": 24}
    gid5 = load_description("gid5")
    assert gid5.bands == ("red", "green", "blue", "nir")
    assert gid5.normalisation is not None
    assert gid5.normalisation.mean == (0.485, 0.456, 0.406, 0.411)


def test_gid15_and_fbp_have_the_colours_of_their_makers():
    gid15, fbp = (
        {item.name: item.colour for item in load_description(name).classes}
        for name in ("gid15", "fbp")
    )
    assert set(gid15.values()) < set(fbp.values())  # FBP's finer classes kept GID-15's colours
    for name in ("urban residential", "rural residential", "paddy field", "dry cropland",
                 "river", "lake", "pond"):  # fmt: skip
        assert gid15[name] == fbp[name]
    assert (gid15["traffic land"], fbp["road"]) == ((250, 150, 150), (250, 150, 150))
    assert (fbp["fish pond"], fbp["overpass"]) == ((150, 200, 250), (250, 150, 0))
    assert [list(fbp).index(name) + 1 for name in ("industrial area", "river", "snow")] == [
        1,
        11,
        16,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clases: {a: [1, 2, 3]}", "unknown key `clases`. Did you mean `classes`?"),
        ("images: [{pth: a}]\nclasses: {a: [1, 2, 3]}", "unknown key `images: pth`"),
        ("classes: {a: [1, 2, 3], a: [2, 2, 2]}", "'a' is given twice"),
        ("classes: {a: [1, 2, 3], b: [1, 2, 3]}", "two classes have the colour"),
        ("classes: {no: [1, 2, 3]}", "Put it in quotes"),
        ("classes: {a: [1, 2, 256]}", "0 to 255"),
        ("classes: {a: red}", "#rrggbb"),
        ("classes: [a, b]", "no colour, and labels are colours"),
        ("classes: {}", "`classes` is missing"),
        ("classes: {a: [1, 2, 3]}\nignore: [1, 2, 3]", "which is the class 'a'"),
        ("classes: {a: [1, 2, 3]}\nfirst_value: 1", "goes with `label_kind: index`"),
        ("classes: [a]\nlabel_kind: index\nignore: 0", "which is the class 'a'"),
        ("classes: [a]\nlabel_kind: values", "must be colour or index"),
        ("classes: {a: [1, 2, 3]}\nimages: ../{scene}.tif", "below the source folder"),
        ("classes: {a: [1, 2, 3]}\nimages: /{scene}.tif", "below the source folder"),
        ("classes: {a: [1, 2, 3]}\nimages: '{scene}{scene}'", "names the same part twice"),
        ("classes: {a: [1, 2, 3]}\nimages: '{scene'", "pattern '{scene'"),
        ("classes: {a: [1, 2, 3]}\nimages: 'a/*.tif'", "lacks {scene}"),
        ("classes: {a: [1, 2, 3]}\nlabels: 'l/{part}.tif'", "they could not be paired"),
        ("classes: {a: [1, 2, 3]}\nnodata: none", "`nodata` is 'none', but must be a number"),
        ("classes: {a: [1, 2, 3]}\nnormalisation: {mean: [1], std: [1]}", "one each per band"),
        ("classes: {a: [1, 2, 3]}\nlists: train.lst", "must hold {split}"),
        ("[]", "must hold keys"),
        ("[" * 5_000, "is not valid YAML"),
        ("a: [", "is not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "is not valid YAML"),
    ],
)
def test_a_wrong_description_is_refused_with_what_is_wrong(text, message):
    with pytest.raises(DataError) as caught:
        parse_description(text, "my.yaml", "my")
    assert str(caught.value).startswith("my.yaml: ")
    assert message in str(caught.value)


def test_index_classes_can_have_values_of_their_own_and_chosen_colours():
    text = """
    label_kind: index
    classes: [{name: trees, value: 10}, {name: grass, value: 30}, {name: water, value: 80}]
    ignore: [0]
    """
    description = parse_description(text, "my.yaml", "my")
    assert description.encoding.values == (10, 30, 80)
    assert len({land_class.colour for land_class in description.classes}) == 3


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["path", "bands", "name", "value", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
KEYS = ["classes", "images", "labels", "ignore", "bands", "label_kind", "scene", "nodata", "lists",
        "normalisation", "name", "first_value"]  # fmt: skip


@FUZZ
@given(st.sampled_from(["colour", "index"]), st.dictionaries(st.sampled_from(KEYS), ANYTHING))
def test_any_yaml_is_a_description_or_refused(kind, changes):
    value = {"classes": {"a": [1, 2, 3]}, "bands": ["x"], "label_kind": kind} | changes
    with contextlib.suppress(DataError):
        description = parse_description(yaml.safe_dump(value), "my.yaml", "my")
        json.dumps(description.to_json())
        assert description.classes


# Statistics


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_statistics_of_small_integers_are_exact(dtype):
    values = np.random.default_rng(0).integers(0, 100, (2, 40, 50)).astype(dtype)
    valid = np.random.default_rng(1).random((40, 50)) > 0.3
    parts = [BandStatistics.empty(2, dtype) for _ in range(2)]
    parts[0].add(values[:, :15], valid[:15])
    parts[1].add(values[:, 15:], valid[15:])
    parts[0].merge(parts[1])
    found = parts[0].summary(("a", "b"))["b"]
    expected = values[1][valid].astype(float)
    assert found["count"] == expected.size
    assert (found["min"], found["max"]) == (expected.min(), expected.max())
    assert found["mean"] == pytest.approx(expected.mean(), rel=1e-12)
    assert found["std"] == pytest.approx(expected.std(), rel=1e-9)
    for percentile, value in found["percentiles"].items():
        assert value == np.percentile(expected, int(percentile), method="inverted_cdf")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_percentiles_of_other_numbers_are_within_a_percent(dtype):
    values = (np.random.default_rng(0).normal(-3, 1, (1, 300, 300)) * 1e6).astype(dtype)
    statistics = BandStatistics.empty(1, dtype)
    for row in range(0, 300, 100):
        part = BandStatistics.empty(1, dtype)
        part.add(values[:, row : row + 100], np.ones((100, 300), np.bool_))
        statistics.merge(part)
    found = statistics.summary(("a",))["a"]
    assert found["mean"] == pytest.approx(float(values.astype(float).mean()), rel=1e-9)
    assert found["std"] == pytest.approx(float(values.astype(float).std()), rel=1e-9)
    assert found["min"] == values.min()
    for percentile, value in found["percentiles"].items():
        expected = np.percentile(values, int(percentile))
        assert value == pytest.approx(expected, rel=0.01, abs=2e4)


def test_statistics_of_nothing_are_zero():
    assert BandStatistics.empty(1, "uint8").summary(("a",))["a"]["count"] == 0
