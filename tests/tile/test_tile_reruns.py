"""`dnas tile` run again: nothing done twice, nothing replaced, the same bytes."""

import os
import shutil
from pathlib import Path

from dnas_cli.tiles.dataset_json import open_tile_set
from tests.support.command_line import dnas
from tests.support.small_scenes import behind_vrts, make_gid, replace_unnoticed
from tests.support.tiling import content


def test_a_finished_tile_set_is_left_alone(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    first = dnas("tile", source, "--size", 64).stdout
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "gid5-tiles").rglob("*")}
    again = dnas("tile", source, "--size", 64)
    assert "is finished already" in again.stderr
    assert again.stdout == first
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "gid5-tiles").rglob("*")
    } == before


def test_other_settings_are_refused_with_what_differs_until_overwrite(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    dnas("tile", source, "--size", 64)
    before = content(tmp_path / "gid5-tiles")
    result = dnas("tile", source, "--size", 50, "--seed", 4, code=3)
    assert "size: 64, now 50" in result.stderr
    assert "seed: 0, now 4" in result.stderr
    assert content(tmp_path / "gid5-tiles") == before
    (tmp_path / "gid5-tiles/preview-train.png").write_bytes(b"of the set before")
    dnas("tile", source, "--size", 50, "--overwrite")
    assert (tmp_path / "gid5-tiles/preview-train.png").read_bytes() != b"of the set before"
    assert open_tile_set(tmp_path / "gid5-tiles").tile_size == 50
    assert {
        len(list(folder.iterdir())) for folder in (tmp_path / "gid5-tiles/image").iterdir()
    } == {6}


def test_changed_files_of_the_source_are_noticed(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=4)
    dnas("tile", source, "--size", 64)
    path = source / "label_5classes/GF2_0_label.tif"
    changed, facts = bytearray(path.read_bytes()), path.stat()
    changed[-1] ^= 1
    path.write_bytes(bytes(changed))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # as copying with times does
    for kind, end in (("image_NirRGB", ""), ("label_5classes", "_label")):
        shutil.copy(source / kind / f"GF2_1{end}.tif", source / kind / f"GF2_9{end}.tif")
    result = dnas("tile", source, "--size", 64, code=3)
    assert "label_5classes/GF2_0_label.tif: has changed" in result.stderr
    assert "image_NirRGB/GF2_9.tif: is new" in result.stderr


def test_a_changed_part_of_a_mosaic_is_noticed(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5", scenes=3)
    behind_vrts(source / "image_NirRGB/GF2_0.tif")
    dnas("tile", source, "--size", 64)
    assert "finished already" in dnas("tile", source, "--size", 64).stderr
    replace_unnoticed(source / "image_NirRGB/parts/GF2_0.tif")
    result = dnas("tile", source, "--size", 64, code=3)
    assert "image_NirRGB/GF2_0.vrt: has changed" in result.stderr


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    source = make_gid(tmp_path / "gid5")
    dnas("tile", source, "--size", 64, "--seed", 5, "--workers", 1, "--out", tmp_path / "one")
    dnas("tile", source, "--size", 64, "--seed", 5, "--workers", 2, "--out", tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_two_processes_do_not_make_one_tile_set_at_once(tmp_path: Path) -> None:
    import fcntl

    source = make_gid(tmp_path / "gid5", scenes=3)
    out = tmp_path / "gid5-tiles"
    out.mkdir()
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        result = dnas("tile", source, "--size", 64, code=3)
    finally:
        os.close(handle)
    assert "another process is making this tile set" in result.stderr
