"""Names, links, lists and pipes that lead astray."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.command_line import dnas
from tests.support.crowd import crowd
from tests.support.small_runs import first_search


def test_a_name_that_is_too_long_is_one_message(tmp_path: Path) -> None:
    assert "too long" in dnas("status", tmp_path / ("x" * 300), code=1).stderr


@pytest.mark.parametrize("line", ["../a.tif\tb.png", "/etc/passwd\tb.png", "a.tif\t../../b.png"])
def test_lists_that_lead_out_of_their_folder_are_refused(
    tiny_tiles: Path, tmp_path: Path, line: str
) -> None:
    tiles = tmp_path / "tiles"
    shutil.copytree(tiny_tiles, tiles)
    (tiles / "train.lst").write_text(line + "\n")
    dnas("encode", tmp_path / "run", "--stage", 1, "--data", tiles, code=4)


def test_a_list_of_more_tiles_than_memory_should_hold_is_refused(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    tiles = tmp_path / "tiles"
    shutil.copytree(tiny_tiles, tiles)
    (tiles / "train.lst").write_text("a\tb\n" * 5_000_000)
    message = dnas("encode", tmp_path / "run", "--stage", 1, "--data", tiles, code=4).stderr
    assert "too many lines" in message


def test_links_that_lead_out_of_their_folder_are_refused(tiny_tiles: Path, tmp_path: Path) -> None:
    tiles, run = tmp_path / "tiles", tmp_path / "run"
    shutil.copytree(tiny_tiles, tiles)
    image = tiles / (tiles / "train.lst").read_text().split("\t")[0]
    image.rename(tmp_path / "outside.tif")
    image.symlink_to(tmp_path / "outside.tif")
    message = dnas(*first_search(run, tiles), code=4).stderr
    assert "leads out of" in message


def test_folders_of_any_name_work(tiny_tiles: Path, tmp_path: Path) -> None:
    names = ("ü ñ 土地".encode(), b"a\nb", b"'; rm x", b"\xff\xfe")
    folders = [os.fsencode(tmp_path) + b"/" + name for name in names]
    for folder in folders[:3]:
        shutil.copytree(tiny_tiles, _path(folder, "tiles"))
    places = [(folder, _path(folder, "tiles")) for folder in folders[:3]]
    places += [(folders[3], tiny_tiles)]  # GDAL opens no raster whose path is not UTF-8
    runs = [_path(folder, "run") for folder in folders]
    # In processes of their own: what is printed need not be UTF-8.
    searches = [first_search(run, tiles) for run, (_, tiles) in zip(runs, places, strict=True)]
    for end in crowd(searches):
        assert end.code == 0, end.output
        assert end.output.splitlines()[-1].endswith("search/stage1")
    ends = crowd(
        [command for run in runs for command in (["status", run, "--json"], ["status", run])]
        + [["decode", run, "--stage", 1] for run in runs]
        + [["status", run / "none"] for run in runs]
    )
    for run, number in zip(runs, range(0, 8, 2), strict=True):
        assert json.loads(ends[number].output)["run"] == str(run)
    assert [end.code for end in ends] == [0] * 12 + [4] * 4
    for end in ends[12:]:
        assert end.output.count("dnas: ") == 1


def _path(folder: bytes, name: str) -> Path:
    return Path(os.fsdecode(folder)) / name


def test_a_pipe_is_not_waited_for_and_a_device_not_read_to_its_end(
    run: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (pipe, Path("/dev/zero")):
        dnas("info", file, code=4)
        dnas("predict", file, file, "--out", tmp_path / "map.png", code=4)
        dnas("search", run, "--stage", 1, "--settings", file, code=4)
        dnas("tile", tmp_path, "--dataset", file, "--out", tmp_path / "tiles", code=4)
        dnas("tile", tmp_path, "--val-scenes", f"@{file}", "--out", tmp_path / "tiles", code=2)
        dnas("import", file, file, "--out", tmp_path / "a.json", code=4)
        path = run / "coding/path.json"
        path.unlink()
        path.symlink_to(file)
        dnas("encode", run, "--stage", 2, code=4)
        lists = Path(shutil.copytree(tiny_tiles, tmp_path / f"lists-{file.name}"))
        (lists / "train.lst").unlink()
        (lists / "train.lst").symlink_to(file)
        dnas("encode", tmp_path / "new", "--stage", 1, "--data", lists, code=4)
