"""Tile sets opened and read: whole, damaged, or with lists that lead elsewhere."""

import contextlib
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dnas_cli.errors import DataError
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.lists import read_list, scene_of
from tests.support.fuzzing import FUZZ
from tests.support.small_scenes import class_indices


def test_an_opened_tile_set_gives_images_validity_and_labels(cut: Path) -> None:
    tiles = open_tile_set(cut)
    assert [land_class.name for land_class in tiles.classes] == [
        "built-up", "farmland", "forest", "meadow", "water",
    ]  # fmt: skip
    ref = tiles.split("val")[0]
    image, valid, label = tiles.read(ref)
    assert (image.shape, image.dtype.name) == ((4, 64, 64), "uint8")
    assert (valid.shape, valid.dtype.name) == ((64, 64), "bool")
    assert (label.shape, label.dtype.name) == ((64, 64), "uint8")
    expected = class_indices(int(ref.scene[-1]), 100, 130)[:64, :64]
    assert (label == np.where(expected == 5, 255, expected)).all()


def test_a_tile_set_can_be_sent_to_worker_processes(cut: Path) -> None:
    tiles = open_tile_set(cut)
    again = pickle.loads(pickle.dumps(tiles))
    assert again == tiles
    ref = again.split("train")[0]
    assert (again.read(ref)[0] == tiles.read(ref)[0]).all()


def test_the_fingerprint_follows_the_content_and_not_the_place(cut: Path, tiles: Path) -> None:
    assert open_tile_set(tiles).fingerprint == open_tile_set(cut).fingerprint
    lines = (tiles / "train.lst").read_text().splitlines(keepends=True)
    (tiles / "train.lst").write_text("".join(lines[1:]))
    assert open_tile_set(tiles).fingerprint != open_tile_set(cut).fingerprint


@pytest.mark.parametrize("listed", [False, True])
def test_a_tile_set_that_does_not_say_how_its_sources_were_labelled_is_read(
    listed: bool, tiles: Path
) -> None:
    known, path = open_tile_set(tiles), tiles / "dataset.json"
    content = json.loads(path.read_text())
    del content["source_label_encoding"]
    if listed:
        content["settings"]["from_lists"] = "lists"
    path.write_text(json.dumps(content))
    again = open_tile_set(tiles)
    assert again.source_encoding == (known.encoding if listed else known.source_encoding)
    assert known.encoding != known.source_encoding


def test_an_unknown_or_empty_or_missing_split_is_refused(tiles: Path) -> None:
    with pytest.raises(DataError, match="no split 'train2'"):
        open_tile_set(tiles).split("train2")
    (tiles / "val.lst").write_text("\n")
    with pytest.raises(DataError, match="'val' holds no tiles"):
        open_tile_set(tiles).split("val")
    (tiles / "val.lst").unlink()
    with pytest.raises(DataError, match=r"val\.lst: is missing"):
        open_tile_set(tiles).split("val")


def test_a_folder_that_is_no_tile_set_is_refused_with_what_to_do(
    tmp_path: Path, tiles: Path
) -> None:
    with pytest.raises(DataError, match=r"(?s)no such folder.*dnas tile"):
        open_tile_set(tmp_path / "missing")
    with pytest.raises(DataError, match=r"no tile set \(no dataset\.json\)"):
        open_tile_set(tmp_path)
    (tiles / "dataset.json").unlink()
    (tiles / ".progress").mkdir()
    with pytest.raises(DataError, match=r"(?s)unfinished.*it resumes"):
        open_tile_set(tiles)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, "is not the description of a tile set"),
        ({"version": 2}, "version 2 is not version 1"),
        ({"bands": ["red"]}, "is damaged"),
        ({"classes": []}, "is damaged"),
        ({"classes": [{"name": "a", "colour": [1, 2]}]}, "is damaged"),
        ({"tile_size": 10**9}, "is damaged"),
        ({"normalisation": {"scale": 1, "mean": [1] * 4, "std": [0] * 4}}, "is damaged"),
        ({"dtype": "no such type"}, "is damaged"),
        ({"statistics": {}}, "is damaged"),
        ({"blocks": "../nowhere"}, "are missing"),
    ],
)
def test_a_damaged_description_is_refused_by_name(
    tiles: Path, change: dict[str, Any], message: str
) -> None:
    facts = json.loads((tiles / "dataset.json").read_text()) | change
    (tiles / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=rf"(?s)tiles.*{message}"):
        open_tile_set(tiles)


@FUZZ
@given(st.data())
def test_any_damage_to_the_description_gives_a_known_error(
    tiles: Path, data: st.DataObject
) -> None:
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


def test_a_tile_that_is_damaged_missing_or_of_another_size_is_refused_by_name(tiles: Path) -> None:
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
def test_a_line_that_leaves_the_folder_is_refused_with_its_number(tiles: Path, line: str) -> None:
    with (tiles / "train.lst").open("a") as file:
        file.write("\n" + line + "\n")
    with pytest.raises(DataError, match=r"train\.lst: line 8"):
        open_tile_set(tiles)


def test_a_link_out_of_the_tile_set_is_refused_when_read(tiles: Path, tmp_path: Path) -> None:
    opened = open_tile_set(tiles)
    ref = opened.split("train")[0]
    (tiles / ref.image).rename(tmp_path / "outside.tif")
    (tiles / ref.image).symlink_to(tmp_path / "outside.tif")
    with pytest.raises(DataError, match="leads out of"):
        opened.read(ref)


def test_tiles_are_read_below_the_folder_that_the_tile_set_names_and_nowhere_else(
    tiles: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tiles, elsewhere)
    for folder in ("image", "label"):
        shutil.rmtree(tiles / folder)
    content = json.loads((tiles / "dataset.json").read_text())
    (tiles / "dataset.json").write_text(json.dumps({**content, "blocks": str(elsewhere)}))
    opened = open_tile_set(tiles)
    first, second = opened.split("train")[:2]
    assert opened.read(first)[0].any()
    (elsewhere / second.image).rename(tmp_path / "outside.tif")
    (elsewhere / second.image).symlink_to(tmp_path / "outside.tif")
    with pytest.raises(DataError, match="leads out of"):
        opened.read(second)


@FUZZ
@given(st.binary(max_size=300))
def test_any_list_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
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
        ("images/train/GF2_1_0_12.png", "GF2_1"),  # the folder names the split
        ("test/GF2_1_0_12_img.tif", "GF2_1"),
        ("data/val/images/GF2_1_0_12.tif", "GF2_1"),
        ("GF2_1_3_4.tif", "GF2_1"),
        ("photo.tif", "photo"),
    ],
)
def test_the_scene_of_a_tile_is_given_by_its_path(image: str, scene: str) -> None:
    assert scene_of(image) == scene
