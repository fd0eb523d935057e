"""`dnas predict --truth`: a map beside a label."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.small_models import CLASSES


@pytest.mark.parametrize("form", ["indices", "colours", "black", "palette"])
def test_a_map_is_compared_with_a_label_in_any_form(
    form: str, models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    dnas("predict", models["rgb"], scene, "-o", tmp_path / "map.tif")
    truth = read(tmp_path / "map.tif").copy()
    truth[:15] = 255  # without label
    truth[100:, :] = (truth[100:, :] + 1) % 3  # all wrong
    label = tmp_path / "label.png"
    colours = np.array([item.colour for item in CLASSES], np.uint8)
    if form == "indices":
        Image.fromarray(truth).save(label)
    elif form in ("colours", "black"):
        grey = 9 if form == "colours" else 0  # black is no label
        Image.fromarray(np.where(truth[..., None] == 255, grey, colours[truth % 3])).save(label)
    else:  # in an order of its own
        picture = Image.fromarray(np.where(truth == 255, 0, 3 - truth))
        picture.putpalette([7, 7, 7, *colours[::-1].ravel().tolist()])
        picture.save(label)
    said = dnas(
        "predict", models["rgb"], scene, "-o", tmp_path / "map2.tif", "--truth", label, "--json",
        "--max-unknown", 0.1,
    )  # fmt: skip
    result = json.loads(said.stdout)[0]["truth"]
    assert result["metrics"]["pixels"] == 135 * 130
    assert result["metrics"]["overall_accuracy"] == pytest.approx(85 / 135)
    assert result["unknown_pixels"] == (0 if form in ("indices", "black") else 15 * 130)
    if form == "colours":
        told = "1,950 pixels (10.0 %) have the colour of no class ((9, 9, 9) on 10.0%)"
        assert told in said.stderr


def test_a_label_that_cannot_be_compared_is_refused_before_the_work(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    def refusal(label: Path, code: int = 4) -> str:
        out = tmp_path / "map.tif"
        said = dnas("predict", models["rgb"], scene, "-o", out, "--truth", label, code=code)
        assert not list(tmp_path.glob("map.tif*"))
        return str(said.stderr)

    label = tmp_path / "label.png"
    assert "label.png: no such file" in refusal(label)
    Image.new("L", (130, 149)).save(label)
    assert "has 130 x 149 pixels, but its image has 130 x 150" in refusal(label)
    Image.new("L", (130, 150), 255).save(label)
    assert "no pixel has a class" in refusal(label)
    Image.new("RGB", (130, 150), (1, 2, 3)).save(label)
    message = refusal(label)
    assert "the colour of no class ((1, 2, 3) on 100.0%)" in message
    assert "built-up (255, 0, 0)" in message


def test_one_label_is_not_for_many_scenes(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    shutil.copy(scene, tmp_path / "other.tif")
    scenes = (scene, tmp_path / "other.tif")
    command = ("predict", models["rgb"], *scenes, "-o", tmp_path / "maps", "--truth", scene)
    said = dnas(*command, code=2)
    assert "dnas eval MODEL FOLDER" in said.stderr
