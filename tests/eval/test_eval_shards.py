"""`dnas eval --shard`: several processes score parts, and the figures are those of one."""

from pathlib import Path

import pytest

from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas
from tests.support.same_bits import assert_same_bytes


@pytest.mark.parametrize("what", ["tiles", "scenes", "folder"])
def test_figures_of_shards_are_those_of_one_process(
    run: Path, tiles: TileSet, tmp_path: Path, what: str
) -> None:
    data = tiles.root.parent / "gid5" if what == "folder" else tiles.root
    split = () if what == "folder" else ("--split", "train")
    of_scenes = ("--scenes",) if what == "scenes" else ()
    command = ("eval", run / "model.pt", data, *split, *of_scenes, "--device", "cpu")
    dnas(*command, "--out", tmp_path / "whole")
    result = dnas(*command, "--out", tmp_path / "shards", "--shard", "2/2")
    assert "shard 2/2 is scored; the figures follow with the last of the shards 1" in result.stderr
    assert result.stdout == ""
    dnas(*command, "--out", tmp_path / "shards", "--shard", "1/2")
    assert_same_bytes(tmp_path / "whole", tmp_path / "shards")


def test_a_shard_of_figures_needs_a_folder(run: Path, tiles: TileSet) -> None:
    message = dnas("eval", run / "model.pt", tiles.root, "--shard", "1/2", code=2).stderr
    assert "--shard 1/2: needs a folder for the scores." in message
