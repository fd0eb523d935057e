"""Full disks, unwritable folders, moved runs, tiles that go: one message, and nothing is lost."""

import errno
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import dnas, start
from tests.support.same_bits import assert_same_stage, differences
from tests.support.small_runs import SEARCH, SIZE, first_search

OFTEN = ("--checkpoint-every", 0)
LARGE = ("--head", 256)  # for checkpoints of 5 MB


def test_a_disk_that_is_full_at_any_write_loses_nothing(
    searched: Path, tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is full at the first write of a command, at the second of the next, and so on."""
    run, writes, full_at, right = tmp_path / "run", 0, 1, os.fsync

    def full(handle: int) -> None:  # where a full disk shows at the latest
        nonlocal writes
        writes += 1
        if writes == full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        right(handle)

    monkeypatch.setattr(os, "fsync", full)
    while (result := dnas(*first_search(run, tiny_tiles, *OFTEN), code=None)).exit_code:
        assert result.exit_code == 1
        assert len(re.findall(r"^dnas: .*No space left on device", result.stderr, re.M)) == 1
        assert "Free the space" in result.stderr
        writes, full_at = 0, full_at + 1
    assert full_at > 8
    assert differences(run, searched) == []


@pytest.fixture(scope="module")
def searched_large(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was searched without a break, with checkpoints of 5 MB."""
    run = tmp_path_factory.mktemp("large") / "run"
    dnas(*first_search(run, tiny_tiles, *LARGE))
    return run


_LIMIT_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
"""


def test_a_limit_on_file_sizes_is_one_message_and_the_same_command_resumes(
    searched_large: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = first_search(run, tiny_tiles, *LARGE)
    process = start(*command, before=_LIMIT_FILES)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.count("dnas: ") == 1
    assert "last.pt: cannot write (File too large)" in errors
    dnas(*command)
    assert differences(run, searched_large) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB, which holds one checkpoint and no second; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_runs_full_is_one_message_and_after_freeing_space_work_continues(
    searched_large: Path, tiny_tiles: Path, small_disk: Path
) -> None:
    run = small_disk / "run"
    command = first_search(run, tiny_tiles, *LARGE)
    message = dnas(*command, code=1).stderr
    assert "cannot write (No space left on device)" in message
    good = (run / "search/stage1/last.pt").read_bytes()
    dnas(*command, code=1)
    assert (run / "search/stage1/last.pt").read_bytes() == good
    assert not list(run.rglob("*.part*"))
    larger = ["mount", "-o", "remount,size=40m", str(small_disk)]
    subprocess.run(larger, check=True)
    dnas(*command)
    assert differences(run, searched_large) == []


def test_cutting_on_a_full_disk_continues_by_the_same_command(
    tiny_scenes: Path, tmp_path: Path, small_disk: Path
) -> None:
    tile = ("tile", tiny_scenes, "--size", 32, "--workers", 1, "--out")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(6 * 1024 * 1024 - 200_000))
    assert "cannot" in dnas(*tile, small_disk / "tiles", code=1).stderr
    filler.unlink()
    dnas(*tile, small_disk / "tiles")
    (tmp_path / "beside").mkdir()  # as deep as the other: the way to the scenes is recorded
    dnas(*tile, tmp_path / "beside/tiles")
    assert differences(small_disk / "tiles", tmp_path / "beside/tiles") == []


@pytest.mark.parametrize("folder", ["/proc/nowhere/run", "/dev/null/run"])
def test_a_folder_that_cannot_be_made_is_one_message(tiny_tiles: Path, folder: str) -> None:
    message = dnas(*first_search(Path(folder), tiny_tiles), code=1).stderr
    assert "cannot write" in message
    dnas("encode", folder, "--stage", 1, "--data", tiny_tiles, *SIZE, code=1)


def test_an_unwritable_run_is_one_message(
    searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    right = os.open

    def refuse(path: object, flags: int, *more: int, **names: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY) and str(path).startswith(str(run)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return right(path, flags, *more, **names)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    assert "Permission denied" in dnas("search", run, "--stage", 1, code=1).stderr
    assert "--branch" in dnas("decode", run, "--stage", 1, code=1).stderr
    dnas("status", run)


def test_a_log_that_cannot_be_written_stops_nothing(
    searched: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, *SIZE)
    (run / "dnas.log").mkdir()
    dnas("search", run, "--stage", 1, *SEARCH)
    assert_same_stage(run / "search/stage1", searched / "search/stage1")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_tile_that_goes_during_a_search_is_named_and_the_search_continues_when_it_is_back(
    searched: Path, tiny_tiles: Path, tmp_path: Path, workers: int
) -> None:
    tiles, run = tmp_path / "tiles", tmp_path / "run"
    shutil.copytree(tiny_tiles, tiles)
    image = tiles / (tiles / "train.lst").read_text().split("\t")[0]
    image.rename(tmp_path / "away")
    message = dnas(*first_search(run, tiles, "--workers", workers), code=4).stderr
    assert f"dnas: {image}: no such file" in message
    (tmp_path / "away").rename(image)
    dnas("search", run, "--stage", 1)
    assert_same_stage(run / "search/stage1", searched / "search/stage1")


def test_a_run_can_move_away_from_its_tile_set_and_together_with_it(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    shutil.copytree(tiny_tiles, here / "tiles")
    dnas("encode", here / "run", "--stage", 1, "--data", here / "tiles", *SIZE)
    (here / "run").rename(tmp_path / "alone")  # "../tiles" is nowhere from there
    dnas("search", tmp_path / "alone", "--stage", 1, *SEARCH)
    (tmp_path / "alone").rename(here / "run")
    here.rename(tmp_path / "there")
    dnas("decode", tmp_path / "there/run", "--stage", 1)
    dnas("search", tmp_path / "there/run", "--stage", 2, *SEARCH)


def test_a_tile_set_that_moved_alone_is_named_and_used_where_the_run_says_it_is(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    tiles, run, moved = tmp_path / "tiles", tmp_path / "run", tmp_path / "moved"
    shutil.copytree(tiny_tiles, tiles)
    dnas("encode", run, "--stage", 1, "--data", tiles, *SIZE)
    tiles.rename(moved)
    message = dnas("search", run, "--stage", 1, *SEARCH, code=4).stderr
    assert f"{tiles}: no such folder" in message
    assert f"dnas status {run} --data TILES" in message
    dnas("status", run, "--data", moved)
    dnas("search", run, "--stage", 1, *SEARCH)


def test_a_tile_set_at_the_old_place_that_is_another_is_refused(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    tiles, run = tmp_path / "a/tiles", tmp_path / "a/run"
    shutil.copytree(tiny_tiles, tiles)
    dnas("encode", run, "--stage", 1, "--data", tiles, *SIZE)
    lines = (tiles / "train.lst").read_text().splitlines(keepends=True)
    (tiles / "train.lst").write_text("".join(lines[:-1]))
    run.rename(tmp_path / "run")
    message = dnas("search", tmp_path / "run", "--stage", 1, *SEARCH, code=4).stderr
    assert "content has changed" in message


def test_a_command_killed_before_it_made_a_run_is_no_obstacle(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / ".run.x1y2.part.json").write_text("{")
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, *SIZE)
    assert not list(run.glob(".run.*"))


@pytest.mark.parametrize(("version", "word"), [(2, "another version"), (0, "another version")])
def test_a_run_of_another_version_is_refused_by_every_command(
    searched: Path, tmp_path: Path, version: int, word: str
) -> None:
    run = Path(shutil.copytree(searched, tmp_path / "run"))
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**manifest, "version": version}))
    for command in (("status", run), ("search", run, "--stage", 1), ("decode", run, "--stage", 1)):
        assert word in dnas(*command, code=4).stderr
    dnas("retrain", run, code=4)
