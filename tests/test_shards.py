"""`--shard`: several processes share the scenes, and the result is that of one."""

import json
from pathlib import Path

import pytest

from dnas_cli.errors import UsageError
from dnas_cli.shard import Shard, parse_shard, shard_of_job_array
from tests.support.command_line import dnas
from tests.support.predicting import write_scene
from tests.support.same_bits import assert_same_bytes
from tests.support.small_models import write_model

ARRAY = "SLURM_ARRAY_TASK_"


def test_a_tile_set_of_shards_is_that_of_one_process(tiny_scenes: Path, tiny_tiles: Path) -> None:
    out = tiny_tiles.parent / "of-shards"
    command = ("tile", tiny_scenes, "--out", out, "--size", 32, "--workers", 1)
    for number in (2, 1, 2):  # one twice: it has nothing left to do
        message = dnas(*command, "--shard", f"{number}/3").stderr
        assert f"shard {number}/3 is cut; the tile set is finished with the last" in message
        assert not (out / "dataset.json").exists()
    dnas(*command, "--shard", "3/3")
    assert_same_bytes(out, tiny_tiles)
    assert "is finished already" in dnas(*command, "--shard", "1/3").stderr


def test_shards_of_an_array_job_map_every_scene_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scenes").mkdir()
    for seed in range(3):
        write_scene(tmp_path / f"scenes/{seed}.tif", seed=seed)
    command = (
        "predict",
        write_model(tmp_path / "model.pt"),
        tmp_path / "scenes",
        "--device",
        "cpu",
    )
    dnas(*command, "--out", tmp_path / "whole")
    for name, value in (("COUNT", 2), ("MIN", 5), ("STEP", 3)):
        monkeypatch.setenv(ARRAY + name, str(value))
    found = []
    for task in (5, 8):
        monkeypatch.setenv(ARRAY + "ID", str(task))
        result = dnas(*command, "--out", tmp_path / "shards", "--json")
        assert f"shard {(task - 5) // 3 + 1}/2, by the SLURM job array" in result.stderr
        found += [Path(item["scene"]).stem for item in json.loads(result.stdout)]
    assert found == ["0", "2", "1"]
    assert_same_bytes(tmp_path / "whole", tmp_path / "shards")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0", "1", "a/b", "1/2/3", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"shard={text}: must be a part and the number of parts"):
        parse_shard(text)


def test_shards_cover_everything_once() -> None:
    items = list(range(10))
    parts = [Shard(number, 3).of(items) for number in (1, 2, 3)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) == 1


def test_variables_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ARRAY + "ID", "9")
    monkeypatch.setenv(ARRAY + "COUNT", "2")
    monkeypatch.setenv(ARRAY + "MIN", "1")
    with pytest.raises(UsageError, match="is not a task of an array of 2 from 1"):
        shard_of_job_array()
