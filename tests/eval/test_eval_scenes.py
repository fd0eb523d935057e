"""`dnas eval --scenes`: the whole scenes that a split was cut from."""

import csv
import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnas_cli.demo.layout import GID5
from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.model.model_file import Model, save_model
from dnas_cli.run.directory import create_run
from dnas_cli.scenes.external import external_allowed
from dnas_cli.scenes.label_encoding import colour_encoding
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.split_scenes import open_split_scenes
from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas
from tests.support.evaluating import labelled_pixels


def _scene_of_test_split(tiles: TileSet) -> tuple[Path, Path]:
    """Return the image and the label that the test split was cut from."""
    (scene,) = tiles.scenes("test")
    content = json.loads((tiles.root / "dataset.json").read_text())
    (source,) = [item for item in content["sources"] if item["scene"] == scene]
    folder = (tiles.root / content["source"]).resolve()
    return folder / source["image"]["path"], folder / source["label"]["path"]


def test_whole_scenes_of_a_split_are_scored_with_every_labelled_pixel_once(
    run: Path, tiles: TileSet
) -> None:
    result = dnas("eval", run, "--scenes", "--json", "--device", "cpu")

    figures = json.loads(result.stdout)
    _, label = _scene_of_test_split(tiles)
    with Image.open(label) as picture:
        labelled = (
            colour_encoding(GID5).from_colours(np.asarray(picture.convert("RGB")))[0] != IGNORE
        )
    assert figures["metrics"]["pixels"] == labelled.sum()
    # Tiles of 64 in a scene of 180: the last ones lie over the others, and no pixel counts twice.
    assert labelled.sum() == labelled_pixels(tiles, "test")
    (scene,) = figures["scenes"]
    assert scene["confusion"] == figures["confusion"]
    assert [Path(path).name for path in figures["files"]] == [
        "test-scenes.json", "confusion-scenes.csv", "confusion-scenes.png", "scenes.csv",
    ]  # fmt: skip
    with (run / "eval" / "scenes.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["scene"] == tiles.scenes("test")[0]
    assert int(row["labelled_pixels"]) == labelled.sum()
    assert float(row["mean_iou"]) == pytest.approx(figures["metrics"]["mean_iou"], abs=1e-6)
    assert float(row["iou water"]) == pytest.approx(
        figures["metrics"]["classes"]["water"]["iou"], abs=1e-6
    )


def test_predict_with_a_label_says_what_evaluating_the_scene_says(
    run: Path, tiles: TileSet, tmp_path: Path
) -> None:
    scored = dnas("eval", run, "--scenes", "--json", "--device", "cpu")
    image, label = _scene_of_test_split(tiles)
    command = ["predict", str(run / "model.pt"), str(image), "--out", str(tmp_path / "map.tif")]
    command += ["--bands", "nir,red,green,blue", "--truth", str(label), "--device", "cpu"]
    mapped = dnas(*command, "--json")

    truth = json.loads(mapped.stdout)[0]["truth"]
    assert truth["confusion"] == json.loads(scored.stdout)["confusion"]
    assert truth["metrics"] == json.loads(scored.stdout)["metrics"]
    printed = dnas(*command, "--overwrite")
    assert f"against {label} (" in printed.stdout
    assert f"{truth['metrics']['mean_iou']:.4f}" in printed.stdout


def test_scenes_that_moved_are_found_where_the_user_says(
    tiles: TileSet, model: Model, tmp_path: Path
) -> None:
    source = (tiles.root / "../gid5").resolve()
    shutil.copytree(tiles.root, tmp_path / "far/away/tiles")
    shutil.copytree(source, tmp_path / "scenes")
    moved_run = tmp_path / "moved-run"
    create_run(moved_run, tmp_path / "far/away/tiles", tiles.fingerprint, layers=2, width=4)
    save_model(moved_run / "model.pt", model)
    arguments = [moved_run, "--scenes"]

    message = dnas("eval", *arguments, code=4).stderr
    assert str(tmp_path / "far/away") in message
    assert "--source DIR" in message
    arguments += ["--source", tmp_path / "scenes"]
    dnas("eval", *arguments, "--device", "cpu")

    image, _ = _scene_of_test_split(tiles)
    moved = tmp_path / "scenes" / image.relative_to(source)
    moved.write_bytes(moved.read_bytes()[:-1] + b"x")
    message = dnas("eval", *arguments, "--overwrite", code=4).stderr
    assert f"{moved}: has changed since" in message
    moved.unlink()
    assert "is missing" in dnas("eval", *arguments, "--overwrite", code=4).stderr


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("label", {"path": "../private/label.tif"}),
        ("aoi", {"path": "/etc/passwd"}),
        ("more_labels", [{"path": "https://127.0.0.1:9/label.tif"}]),
        ("image", {"path": "linked/image.tif"}),
        ("bands", [{"band": "red", "variable": "", "number": 1,
                    "file": {"path": "http://127.0.0.1:9/red.tif"}}]),
        ("bands", [{"band": "red", "variable": "", "number": 1, "file": {"path": "../red.tif"}}]),
    ],
)  # fmt: skip
def test_a_description_leads_to_no_scene_elsewhere(
    tiles: TileSet, tmp_path: Path, entry: str, value: object
) -> None:
    changed = Path(shutil.copytree(tiles.root, tmp_path / "tiles"))
    (tmp_path / "gid5").mkdir()
    (tmp_path / "private").mkdir()
    (tmp_path / "gid5/linked").symlink_to(tmp_path / "private")
    content = json.loads((changed / "dataset.json").read_text())
    for source in content["sources"]:
        source[entry] = value
    (changed / "dataset.json").write_text(json.dumps(content))
    opened = open_tile_set(changed)
    with pytest.raises(DataError, match=r"which is not below .*gid5"):
        open_split_scenes(opened, "test", None)
    with external_allowed(True), suppress(DataError):  # other files are missing
        open_split_scenes(opened, "test", None)


def test_tile_sets_that_know_no_whole_scenes_say_so(
    run: Path, tiles: TileSet, tmp_path: Path
) -> None:
    source, model = (tiles.root / "../gid5").resolve(), run / "model.pt"
    by_block = tmp_path / "by-block"
    arguments = ["tile", source, "--out", by_block, "--size", 64, "--split-by", "tile"]
    dnas(*arguments)
    taken = tmp_path / "taken"
    description = tmp_path / "tiles.yaml"
    description.write_text(
        "bands: [red, green, blue, nir]\nclasses:\n"
        + "".join(f"  {item.name}: {list(item.colour)}\n" for item in GID5)
        + "ignore: [[0, 0, 0]]\n"
    )
    linked = tmp_path / "linked"
    shutil.copytree(tiles.root, linked, ignore=shutil.ignore_patterns("dataset.json"))
    arguments = ["tile", linked, "--out", taken, "--from-lists", linked, "--dataset", description]
    dnas(*arguments)

    assert (
        "has parts of a scene in several splits"
        in dnas("eval", model, by_block, "--scenes", code=2).stderr
    )
    assert "was made of existing tiles" in dnas("eval", model, taken, "--scenes", code=2).stderr
    assert "Give --scenes as well" in dnas("eval", run, "--source", source, code=2).stderr
    assert "scored on tiles" in dnas("eval", run, "--scenes", "--references", code=2).stderr
