"""Finding images, labels, splits and scenes as people name and keep them."""

import json
import unicodedata
from pathlib import Path

import pytest

from dnas_cli.run.settings import RetrainSettings
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.yaml_files import parse_yaml
from tests.support.command_line import dnas
from tests.support.reported_inputs import (
    INDEX,
    class_shares,
    dataset,
    noise,
    put,
    quarters,
    scenes,
    tiles_of,
)
from tests.support.small_models import write_model


def labelled(folder: Path, description: str = INDEX, count: int = 3) -> Path:
    """Scenes with index labels."""
    scenes(dataset(folder, description), count)
    for number in range(count):
        put(folder / f"labels/s{number}.tif", quarters())
    return folder


def test_nodata_that_the_images_cannot_hold_is_refused_by_its_key(tmp_path: Path) -> None:
    for value in ("-9999", ".nan", "0.5", ".inf"):
        folder = labelled(tmp_path / "data", INDEX + f"nodata: {value}\n")
        said = dnas("tile", folder, "--out", tmp_path / "tiles", "--size", 32, code=4).stderr
        assert "`nodata:" in said
        assert not (tmp_path / "tiles").exists()


def test_nodata_of_a_file_that_it_cannot_hold_means_nothing(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "data")
    for path in (folder / "images").iterdir():
        # GDAL keeps such a value in the metadata of the file, where other programs put it.
        path.with_suffix(".tif.aux.xml").write_text(
            '<PAMDataset><PAMRasterBand band="1"><NoDataValue>-9999</NoDataValue></PAMRasterBand>'
            "</PAMDataset>"
        )
    assert class_shares(tiles_of(folder))["unlabelled"] == 0


def test_nan_is_a_nodata_value_of_floats(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX + "nodata: .nan\n"), dtype="float32")
    for number in range(3):
        put(folder / f"labels/s{number}.tif", quarters())
    assert class_shares(tiles_of(folder))["unlabelled"] == 0
    dnas("tile", folder, "--out", tmp_path / "data-tiles", "--size", 32)  # the same once more


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_nodata_that_integers_never_are_leaves_the_declared_one(
    value: str, tmp_path: Path
) -> None:
    values = noise()
    values[:, :, :16] = 0
    scene, model = put(tmp_path / "s.tif", values, nodata=0), write_model(tmp_path / "model.pt")
    out = ("--out", tmp_path / "map.tif", "--device", "cpu", "--json")
    result = dnas("predict", model, scene, *out, "--nodata", value)
    assert json.loads(result.stdout)[0]["pixels_without_data"] == 16 * 64
    assert f"never {value}; the nodata that it declares stays" in result.stderr


def test_the_split_of_folders_is_the_split(tmp_path: Path) -> None:
    patterns = 'images: "{split}/images/{scene}.*"\nlabels: "{split}/masks/{scene}.*"\n'
    folder = dataset(tmp_path / "data", patterns + INDEX)
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        for number in range(count):  # numbers count from 0 in every split
            put(folder / f"{split}/images/{number}.tif", noise(number))
            put(folder / f"{split}/masks/{number}.tif", quarters())
    tiles = tiles_of(folder)
    assert [len(tiles.scenes(split)) for split in ("train", "val", "test")] == [3, 2, 1]
    assert not set(tiles.scenes("train")) & set(tiles.scenes("test"))


def test_scenes_stay_in_the_split_of_their_folder(tmp_path: Path) -> None:
    patterns = 'images: "{split}/images/{scene}.*"\nlabels: "{split}/masks/{scene}.*"\n'
    folder = dataset(tmp_path / "data", patterns + INDEX)
    named = {
        split: tuple(f"{split}{number}" for number in range(count))
        for split, count in (("train", 4), ("val", 2), ("test", 2))
    }
    for split, names in named.items():
        for name in names:
            put(folder / f"{split}/images/{name}.tif", noise())
            put(folder / f"{split}/masks/{name}.tif", quarters())
    tiles = tiles_of(folder)
    assert {split: tiles.scenes(split) for split in named} == named


def test_a_label_beside_its_image_is_no_image(tmp_path: Path) -> None:
    patterns = 'images: "all/{scene}.tif"\nlabels: "all/{scene}_mask.tif"\n'
    folder = dataset(tmp_path / "data", patterns + INDEX)
    for number in range(3):
        put(folder / f"all/s{number}.tif", noise(number))
        put(folder / f"all/s{number}_mask.tif", quarters())
    tiles = tiles_of(folder, "--strict")
    assert sum(len(tiles.scenes(split)) for split in ("train", "val", "test")) == 3


def test_links_that_lead_out_are_named_first(tmp_path: Path) -> None:
    store = labelled(tmp_path / "store")
    folder = dataset(tmp_path / "data", INDEX)
    for name in ("images", "labels"):
        (folder / name).symlink_to(store / name)
    said = dnas("tile", folder, "--out", tmp_path / "tiles", "--size", 32, code=4).stderr
    assert said.index("is a link that leads out") < said.index("holds no image")


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "+1e-4", "1.e-4", ".1e-3", "0.0001"])
def test_yaml_numbers_are_numbers(text: str) -> None:
    assert parse_yaml(f"a: {text}\n", "test")["a"] == pytest.approx(1e-4)
    assert parse_yaml("a: 1e\nb: e-4\nc: 0x1e\n", "test") == {"a": "1e", "b": "e-4", "c": 30}


def test_a_description_with_1e_4_is_cut(tmp_path: Path) -> None:
    more = "bands: [red, green, blue]\nnormalisation: {scale: 1e-4, mean: [1e-1, 0.1, 0.1], "
    folder = labelled(tmp_path / "data", INDEX + more + "std: [0.1, 0.1, 1.0e-1]}\n")
    assert tiles_of(folder).normalisation.scale == 1e-4


def test_a_file_of_settings_with_1e_2_is_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("learning_rate: 1e-2\n")
    assert SettingsChoice(None, file).resolve(RetrainSettings, {}).learning_rate == 0.01


def test_lists_may_have_a_mark_windows_line_ends_quotes_and_comments(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "data")
    (tmp_path / "val.txt").write_bytes('\ufeff# for validation\r\n"s1"\r\n\r\n'.encode())
    tiles = tiles_of(folder, "--val-scenes", f"@{tmp_path / 'val.txt'}")
    assert tiles.scenes("val") == ("s1",)
    names = ("a.tif", "T32_2019-01-15T10:33:59.tif")
    for name in names:
        put(tmp_path / "scenes" / name, noise())
    text = "\ufeff# two scenes\r\n" + "\r\n".join(f'"{name}"' for name in names) + "\r\n"
    (tmp_path / "scenes/list.txt").write_bytes(text.encode())
    model = write_model(tmp_path / "model.pt")
    dnas(
        "predict", model, tmp_path / "scenes/list.txt", "--out", tmp_path / "maps",
        "--device", "cpu",
    )  # fmt: skip
    assert len(list((tmp_path / "maps").glob("*.tif"))) == 2


def test_scenes_are_named_by_patterns(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for name in ("north-1", "north-2", "south-1", "Süd 2"):
        put(folder / f"images/{name}.tif", noise())
        put(folder / f"labels/{name}.tif", quarters())
    decomposed = unicodedata.normalize("NFD", "Süd *")
    tiles = tiles_of(folder, "--train-scenes", "north-*", "--test-scenes", decomposed)
    assert tiles.scenes("train") == ("north-1", "north-2")
    assert tiles.scenes("test") == ("Süd_2",)
    said = dnas(
        "tile",
        folder,
        "--out",
        tmp_path / "t",
        "--train-scenes",
        "*",
        "--val-scenes",
        "south-1",
        code=2,
    ).stderr
    assert "named for two splits" in said


def test_names_compare_whatever_way_accents_are_stored(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "data", INDEX)
    for number in range(3):
        name = f"é{number}.tif"
        put(folder / "images" / unicodedata.normalize("NFC", name), noise(number))
        put(folder / "labels" / unicodedata.normalize("NFD", name), quarters())
    assert class_shares(tiles_of(folder, "--strict"))["unlabelled"] == 0


def test_maps_beside_their_scenes_are_no_scenes_of_the_next_run(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model.pt")
    folder = tmp_path / "in"
    for number in range(2):
        put(folder / f"s{number}.tif", noise(number))
    outs = ("--out", f"{folder}/{{name}}_map.tif", "--out", f"{folder}/{{name}}_map.png")
    more = ("--overlay", f"{folder}/{{name}}_view.png", "--device", "cpu", "--json")
    for expected in ("done", "skipped"):
        results = json.loads(dnas("predict", model, folder, *outs, *more).stdout)
        assert [result["status"] for result in results] == [expected] * 2
    assert len(list(folder.glob("*.tif"))) == 4
