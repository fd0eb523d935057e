"""`dnas eval` on a plain folder of images and labels."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from dnas_cli.demo.layout import GID5
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.palette import palette_table
from tests.support.command_line import dnas


def _plain_folder(folder: Path, sizes: list[tuple[int, int]]) -> None:
    """Write PNG images of four bands with colour labels in the classes' colours."""
    generator = np.random.default_rng(0)
    for number, (height, width) in enumerate(sizes):
        image = generator.integers(1, 255, (height, width, 4)).astype(np.uint8)
        label = generator.integers(0, 5, (height, width)).astype(np.uint8)
        label[:10] = IGNORE
        for name, pixels in (("images", image), ("masks", palette_table(GID5)[label])):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def test_a_plain_folder_of_odd_sizes_is_scored_whole(run: Path, tmp_path: Path) -> None:
    sizes = [(70, 101), (130, 64)]
    _plain_folder(tmp_path / "plain", sizes)
    result = dnas("eval", run / "model.pt", tmp_path / "plain", "--json", "--device", "cpu")

    figures = json.loads(result.stdout)
    assert figures["subject"]["items"] == 2
    assert figures["metrics"]["pixels"] == sum((height - 10) * width for height, width in sizes)
    assert "files" in figures
    assert figures["files"] == []


def test_an_image_whose_label_has_another_size_is_left_out_by_name(
    run: Path, tmp_path: Path
) -> None:
    _plain_folder(tmp_path / "plain", [(70, 80), (70, 80)])
    Image.new("RGB", (40, 40)).save(tmp_path / "plain" / "masks" / "1.png")
    result = dnas("eval", run / "model.pt", tmp_path / "plain", "--json", "--device", "cpu")

    assert json.loads(result.stdout)["subject"]["items"] == 1
    assert "1.png: has 40 x 40 pixels" in result.stderr


def test_a_folder_gets_a_row_per_scene_and_one_without_labels_stays_empty(
    run: Path, tmp_path: Path
) -> None:
    plain, out = tmp_path / "plain", tmp_path / "figures"
    _plain_folder(plain, [(70, 80), (64, 64)])
    Image.new("RGB", (64, 64)).save(plain / "masks" / "1.png")  # black is no class
    dnas("eval", run / "model.pt", plain, "--out", out, "--device", "cpu")
    assert sorted(path.name for path in out.iterdir()) == [
        "confusion.csv", "confusion.png", "folder.json", "scenes.csv",
    ]  # fmt: skip
    with (out / "scenes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["scene"], row["labelled_pixels"]) for row in rows] == [("0", "4800"), ("1", "0")]
    assert float(rows[0]["overall_accuracy"]) >= 0
    assert rows[1]["mean_iou"] == rows[1]["iou water"] == ""
