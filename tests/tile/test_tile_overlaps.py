"""Tiles of the last row and column repeat pixels of others; each labelled pixel counts once."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dnas_cli.evaluation.references import evaluate_references
from dnas_cli.evaluation.tiles import read_ahead
from dnas_cli.metrics import IGNORE
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.grid import tile_rows
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.overlaps import first_shown, repeated_parts
from tests.support.command_line import dnas

SHAPES = [(64, 64), (70, 64), (64, 90), (100, 75), (33, 33), (32, 32), (20, 50), (97, 65)]


def _refs(shape: tuple[int, int], name: str = "a") -> list[TileRef]:
    grid = tile_rows(*shape, 32)
    places = [(r, c) for r in range(len(grid)) for c in range(len(grid[0]))]
    return [TileRef(f"image/s/{name}_{r}_{c}_img.tif", "", "s") for r, c in places]


def _counted(refs: list[TileRef], shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Count how often each pixel of an image is counted by some of its tiles."""
    counts = np.zeros((max(shape[0], 32), max(shape[1], 32)), np.int64)
    parts = repeated_parts(refs, {"a": shape}, 32)
    windows = {
        ref.image: window
        for ref, window in zip(_refs(shape), sum(tile_rows(*shape, 32), ()), strict=True)
    }
    for ref in refs:
        at = windows[ref.image]
        first = first_shown(parts.get(ref.image, ()), 32)
        counts[at.row : at.row + 32, at.column : at.column + 32] += first
    return counts


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_of_an_image_is_counted_once(shape: tuple[int, int]) -> None:
    assert (_counted(_refs(shape), shape) == 1).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_a_pixel_counts_once_in_each_split_that_shows_it(shape: tuple[int, int], seed: int) -> None:
    refs, rng = _refs(shape), np.random.default_rng(seed)
    chosen = [ref for ref in refs if rng.integers(2)]
    shown = np.zeros((max(shape[0], 32), max(shape[1], 32)), bool)
    for ref, at in zip(refs, sum(tile_rows(*shape, 32), ()), strict=True):
        if ref in chosen:
            shown[at.row : at.row + 32, at.column : at.column + 32] = True
    assert (_counted(chosen, shape) == shown).all()


@pytest.fixture(scope="module")
def odd_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scenes of 80 x 80 pixels, which tiles of 32 do not divide."""
    from dnas_cli.demo.scenes import write_scenes

    folder = tmp_path_factory.mktemp("scenes") / "gid5"
    write_scenes(folder, 0, range(6), 80)
    return folder


@pytest.mark.parametrize("split_by", ["scene", "tile"])
def test_class_pixels_statistics_and_scores_count_each_pixel_once(
    odd_scenes: Path, tmp_path: Path, split_by: str
) -> None:
    out = tmp_path / "tiles"
    dnas("tile", odd_scenes, "--out", out, "--size", 32, "--split-by", split_by)
    tiles, content = open_tile_set(out), json.loads((out / "dataset.json").read_text())
    total = 0
    for split in ("train", "val", "test"):
        truths = [truth for _, _, truth in read_ahead(tiles, tiles.split(split))]
        counts = np.bincount(np.concatenate([truth.ravel() for truth in truths]), minlength=256)
        expected = dict(zip((item.name for item in tiles.classes), counts.tolist(), strict=False))
        assert tiles.class_pixels(split) == expected
        total += sum(content["class_pixels"][split].values())
    pixels = 6 * 80 * 80
    assert total == pixels if split_by == "scene" else total >= pixels
    if split_by == "scene":
        train = sum(content["class_pixels"]["train"].values())
        assert {band["count"] for band in content["statistics"].values()} == {train}


def test_tiles_and_scenes_score_the_same_number_of_pixels(odd_scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "tiles"
    dnas("tile", odd_scenes, "--out", out, "--size", 32)
    tiles = open_tile_set(out)
    majority, by_pixel = evaluate_references(tiles, "test")
    labelled = sum(tiles.class_pixels("test").values())
    assert majority.matrix.pixels == by_pixel.matrix.pixels == labelled <= 80 * 80


def test_training_still_sees_the_whole_of_every_tile(odd_scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "tiles"
    dnas("tile", odd_scenes, "--out", out, "--size", 32)
    tiles = open_tile_set(out)
    last = next(ref for ref in tiles.split("train") if ref.image.endswith("_2_2_img.tif"))
    assert (tiles.read_once(last)[2] == IGNORE).sum() > (tiles.read(last)[2] == IGNORE).sum()
