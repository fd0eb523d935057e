"""Drawings of codings, by `dnas info --svg`, and the look at a tile set."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from PIL import Image

from dnas_cli.release1.codings import read_release1
from dnas_cli.space.coding import PathCoding
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.showcase import rare_classes_first
from tests.support.command_line import dnas

SVG = "{http://www.w3.org/2000/svg}"
CODINGS = Path(__file__).resolve().parents[2] / "tests" / "golden" / "published"


def test_a_path_is_drawn_over_the_whole_lattice(tmp_path: Path) -> None:
    coding, target = tmp_path / "path.json", tmp_path / "path.svg"
    PathCoding((0, 1, 2, 1)).write(coding)
    dnas("info", coding, "--svg", target)
    shapes = {s.get("data-key"): s for s in ET.parse(target).getroot().iter() if s.get("data-key")}
    strong = {key for key, shape in shapes.items() if shape.get("stroke") == "#c2410c"}
    assert strong == {"-1,0>0,0", "0,0>1,1", "1,1>2,2", "2,2>3,1"}
    assert "3,3" in shapes  # which the path does not reach


def test_an_architecture_is_drawn_as_a_png_too(tmp_path: Path) -> None:
    folder = CODINGS / "L12"
    coding = read_release1(folder / "third_connect.npy", folder / "cell_operations.npy")
    file, target = tmp_path / "architecture.json", tmp_path / "drawing.png"
    coding.architecture().write(file)
    dnas("info", file, "--svg", target)
    picture = np.asarray(Image.open(target).convert("L"))
    assert 0.02 < (picture < 200).mean() < 0.5


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    coding = tmp_path / "path.json"
    PathCoding((0, 1)).write(coding)
    assert ".svg or .png" in dnas("info", coding, "--svg", tmp_path / "x.pdf", code=2).stderr


def test_tile_leaves_a_look_at_every_split(tiny_tiles: Path) -> None:
    for split in ("train", "val", "test"):
        picture = Image.open(tiny_tiles / f"preview-{split}.png").convert("RGB")
        assert picture.width >= 256


def test_a_preview_shows_scenes_before_anything_is_cut(tiny_scenes: Path, tmp_path: Path) -> None:
    target = tmp_path / "look.png"
    command = ("tile", tiny_scenes, "--preview", "--size", 32, "--out", target)
    assert dnas(*command).stdout.strip() == str(target)
    picture = Image.open(target).convert("RGB")
    assert picture.width == 4 * (256 + 6) + 6  # four windows a row
    colours = {colour for _, colour in picture.getcolors(1 << 24) or []}
    assert {(255, 0, 0), (0, 0, 255)} <= colours  # outlines and legend of built-up and water
    assert list(tmp_path.iterdir()) == [target]
    assert "exists" in dnas(*command, code=3).stderr
    assert ".png" in dnas(*command[:-1], tmp_path / "tiles", code=2).stderr


def test_the_rarest_class_is_shown_first(tiny_tiles: Path) -> None:
    tiles = open_tile_set(tiny_tiles)
    counts = list(tiles.class_pixels("train").values())
    rarest = min((n, index) for index, n in enumerate(counts) if n)[1]
    shown = rare_classes_first(tiles, "train", 4)
    assert len({item.ref.image for item in shown}) == 4
    shares = [(tile.truth == rarest).sum() for tile in rare_classes_first(tiles, "train", 60)]
    assert (shown[0].truth == rarest).sum() == max(shares)
