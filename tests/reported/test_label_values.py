"""What values and colours of labels mean, on every way in."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnas_cli.model.model_file import load_model
from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.reported_inputs import (
    BLACK_WHITE,
    INDEX,
    class_shares,
    dataset,
    noise,
    png,
    put,
    quarters,
    scenes,
    tiles_of,
    truth_of,
)
from tests.support.small_models import write_model


@pytest.mark.parametrize(
    ("by_lists", "dtype", "white"),
    [(False, "uint8", 255), (True, "uint8", 255), (False, "uint16", 255), (True, "uint16", 65535)],
)
def test_grey_masks_of_0_and_white_are_black_and_white(
    by_lists: bool, dtype: str, white: int, tmp_path: Path
) -> None:
    folder = scenes(dataset(tmp_path / "data", BLACK_WHITE), 4)
    for number in range(4):
        png(folder / f"masks/s{number}.png", ((quarters() > 0) * white).astype(dtype))
    for name, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3,))):
        lines = [f"images/s{number}.tif\tmasks/s{number}.png\n" for number in numbers]
        (folder / f"{name}.lst").write_text("".join(lines))
    shares = class_shares(tiles_of(folder, *(("--from-lists", folder) if by_lists else ())))
    assert shares == {"ground": 0.25, "roof": 0.75, "unlabelled": 0.0}


def test_a_model_of_black_and_white_scores_a_grey_truth_by_its_colours(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", BLACK_WHITE), 1)
    truth = np.zeros((64, 64), np.uint8)
    truth[:, 32:] = 255
    label = put(folder / "labels/s0.tif", truth)
    model = write_model(tmp_path / "model.pt", classes=BLACK_WHITE)
    score = truth_of(model, folder / "images/s0.tif", label, tmp_path / "map.tif")
    plain = json.loads(dnas("eval", model, folder, "--json", "--device", "cpu").stdout)
    predicted = read(tmp_path / "map.tif")
    assert score["metrics"]["pixels"] == 4096
    assert score["confusion"] == plain["confusion"]
    assert score["metrics"]["overall_accuracy"] == (predicted == truth // 255).mean()


def test_black_is_the_first_class_and_white_the_second_in_a_score(tmp_path: Path) -> None:
    picture = np.zeros((3, 64, 64), np.uint8)
    picture[:, :, :32] = 220
    picture[:, 32:] += 20
    picture[0, :16] = 250
    scene = put(tmp_path / "scene.tif", picture)
    truth = np.zeros((64, 64), np.uint8)
    truth[:, 32:] = 255
    label = put(tmp_path / "truth.tif", truth)
    model = write_model(tmp_path / "model.pt", classes=BLACK_WHITE, head=256)
    metrics = truth_of(model, scene, label, tmp_path / "map.tif")["metrics"]
    assert metrics["pixels"] == 4096
    assert metrics["overall_accuracy"] == pytest.approx(0.8167, abs=5e-5)
    assert metrics["mean_iou"] == pytest.approx(0.6891, abs=5e-5)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_pictures_of_few_bits_are_read_as_colours(bits: int, suffix: str, tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", BLACK_WHITE))
    white = np.zeros((64, 64), np.uint8)
    white[:8, :8] = 2**bits - 1
    for number in range(3):
        path = folder / f"masks/s{number}.{suffix}"
        if suffix == "tif":
            put(path, white, nbits=bits)
        elif bits == 1:
            png(path, Image.fromarray(white.astype(bool)))
        else:
            png(path, white, bits=bits)
    shares = class_shares(tiles_of(folder))
    assert shares == {"ground": 1 - 64 / 4096, "roof": 64 / 4096, "unlabelled": 0.0}


def test_a_class_can_have_several_values_and_a_group_several_classes(tmp_path: Path) -> None:
    values = np.repeat(np.array([[11, 21, 22, 40]], np.uint16), 64, 0).repeat(16, 1)
    description = """\
label_kind: index
classes:
  - {name: water, value: 11}
  - {name: pine, value: [21, 22]}
  - {name: oak, value: 40}
groups: {forest: [pine, oak]}
"""
    folder = scenes(dataset(tmp_path / "data", description))
    for number in range(3):
        put(folder / f"labels/s{number}.tif", values)
    tiles = tiles_of(folder)
    assert class_shares(tiles) == {"water": 0.25, "forest": 0.75, "unlabelled": 0.0}
    assert tiles.source_encoding.class_of_value == {11: 0, 21: 1, 22: 1, 40: 1}


def test_a_class_can_have_several_colours(tmp_path: Path) -> None:
    description = 'classes: {low: [0, 0, 0], high: [[255, 0, 0], "#00ff00"]}\n'
    folder = scenes(dataset(tmp_path / "data", description))
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    for number in range(3):
        png(folder / f"masks/s{number}.png", colours[quarters()])
    assert class_shares(tiles_of(folder)) == {"low": 0.25, "high": 0.75, "unlabelled": 0.0}


def test_a_forgotten_first_value_is_named_with_the_values_and_nothing_is_made(
    tmp_path: Path,
) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX))
    for number in range(3):
        put(folder / f"labels/s{number}.tif", quarters() + 1)
    out = tmp_path / "tiles"
    said = dnas("tile", folder, "--out", out, "--size", 32, "--max-unknown", 1, code=4).stderr
    assert "the labels hold 1, 2, 3, but the classes are 0 to 2" in said
    assert "first_value: 1" in said
    assert not out.exists()


def test_a_truth_is_read_as_the_labels_the_model_learnt_from(tmp_path: Path) -> None:
    description = INDEX + "first_value: 1\nignore: 0\n"
    folder = scenes(dataset(tmp_path / "data", description), 1)
    image = folder / "images/s0.tif"
    model = write_model(tmp_path / "model.pt", classes=description)
    dnas("predict", model, image, "--out", tmp_path / "plain.tif", "--device", "cpu")
    right = read(tmp_path / "plain.tif")
    truth = np.where(np.arange(64) < 60, right + 1, 0).astype(np.uint8)
    label = put(folder / "labels/s0.tif", truth)
    score = truth_of(model, image, label, tmp_path / "map.tif")
    (folder / "dataset.yaml").unlink()
    plain = json.loads(dnas("eval", model, folder, "--json", "--device", "cpu").stdout)
    other = tmp_path / "other.yaml"
    other.write_text(INDEX + "ignore: [0, 3]\n")
    less = truth_of(
        model, image, put(folder / "labels/s0.tif", right), tmp_path / "map.tif",
        "--dataset", tmp_path / "indices.yaml",
    ) if (tmp_path / "indices.yaml").write_text(INDEX) else None  # fmt: skip
    assert score["metrics"]["overall_accuracy"] == 1
    assert score["metrics"]["pixels"] == 64 * 60
    assert plain["metrics"]["overall_accuracy"] == 1
    assert less is not None
    assert less["metrics"]["overall_accuracy"] == 1


def test_values_of_no_class_are_told_with_their_share_and_refused_above_the_limit(
    tmp_path: Path,
) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX), 1)
    image = folder / "images/s0.tif"
    values = quarters()
    values[:16] = 9
    label = put(folder / "labels/s0.tif", values)
    model = write_model(tmp_path / "model.pt", classes=INDEX)
    out = ("--out", tmp_path / "map.tif", "--device", "cpu", "--truth", label)
    said = dnas("predict", model, image, *out, code=4).stderr
    assert "25.0% of the label has the value of no class (9 on 25.0%)" in said
    assert not (tmp_path / "map.tif").exists()
    said = dnas("predict", model, image, *out, "--max-unknown", 0.3).stderr
    assert "1,024 pixels (25.0 %) have the value of no class (9 on 25.0%)" in said


def test_eval_of_a_folder_keeps_the_order_of_the_models_classes(tmp_path: Path) -> None:
    description = "classes: {zebra: [9, 0, 0], ant: [0, 9, 0]}\n"
    folder = scenes(tmp_path / "data", 1)
    colours = np.array([[9, 0, 0], [0, 9, 0]], np.uint8)
    png(folder / "masks/s0.png", colours[(quarters() > 0).astype(int)])
    model = write_model(tmp_path / "model.pt", classes=description)
    figures = json.loads(dnas("eval", model, folder, "--json", "--device", "cpu").stdout)
    assert figures["metrics"]["pixels"] == 4096


def test_maps_can_hold_the_labels_own_values(tmp_path: Path) -> None:
    description = """\
label_kind: index
classes: [{name: a, value: 10}, {name: b, value: 300}, {name: c, value: 4}]
ignore: 0
"""
    image = put(tmp_path / "s.tif", noise(), mask=np.arange(64) > np.zeros((64, 1)) + 7)
    model = write_model(tmp_path / "model.pt", classes=description)
    assert load_model_labels(model) == {10: 0, 300: 1, 4: 2}
    for kind in ("indices", "labels"):
        out = tmp_path / f"{kind}.tif"
        dnas("predict", model, image, "--out", out, "--values", kind, "--device", "cpu")
    indices, values = read(tmp_path / "indices.tif"), read(tmp_path / "labels.tif")
    table = {0: 10, 1: 300, 2: 4, 255: 0}
    assert values.tolist() == [[table[index] for index in row] for row in indices.tolist()]
    assert 0 in values
    score = truth_of(model, image, tmp_path / "labels.tif", tmp_path / "map.tif")
    assert score["metrics"]["overall_accuracy"] == 1


def load_model_labels(path: Path) -> dict[int, int]:
    """The values of the labels that a model learnt from."""
    import torch

    labels = load_model(path, torch.device("cpu")).facts.labels
    assert labels is not None
    return labels.class_of_value
