"""What a person meets in the first days: every fault says what it is, and what really helps."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from dnas_cli.datasets.description_values import read_classes
from dnas_cli.errors import DataError
from dnas_cli.mapping import unfinished_map
from dnas_cli.run.lock import worker
from tests.support.command_line import dnas
from tests.support.small_runs import SEARCH, SIZE


def test_an_extension_below_later_stages_names_the_branch_that_can_be_extended(
    decoded: Path, tmp_path: Path
) -> None:
    run, child = shutil.copytree(decoded, tmp_path / "run"), tmp_path / "child"
    dnas("encode", run, "--stage", 2)
    refused = dnas("search", run, "--stage", 1, "--extend", 1, "--device", "cpu", code=3).stderr
    for command in (
        f"dnas decode {run} --stage 1 --branch NEW_RUN",
        "dnas search NEW_RUN --stage 1 --extend 1",
    ):
        assert command in refused
        words = command.replace("NEW_RUN", str(child)).split()[1:]
        dnas(*words, *(("--device", "cpu") if "search" in words else ()))
    assert len((child / "search/stage1/history.jsonl").read_text().splitlines()) == 3


def test_a_dry_run_of_an_extension_counts_the_added_epochs(decoded: Path, searched: Path) -> None:
    command = ("--stage", 1, "--extend", 5, "--dry-run", "--device", "cpu", "--threads", 1)
    shown = dnas("search", decoded, *command).stdout
    (epochs,) = [line.split()[1:] for line in shown.splitlines() if line.startswith("epochs ")]
    assert epochs[0] == "5"
    assert json.loads((searched / "run.json").read_text())["stages"]["stage1"]["extensions"] == []


def test_a_run_begins_with_the_command_that_the_readme_names(tmp_path: Path) -> None:
    missing = dnas("status", tmp_path / "run", code=4).stderr
    assert "dnas run RUN --data TILES" in missing


def test_status_of_a_stage_in_work_says_who_works(searched: Path, tmp_path: Path) -> None:
    run = shutil.copytree(searched, tmp_path / "run")
    facts = {"host": socket.gethostname(), "pid": os.getpid(), "since": "now"}
    (run / ".stage2.lock").write_text(json.dumps(facts))
    (run / ".stage1.lock").write_text("")
    from dnas_cli.run.directory import open_run

    assert worker(open_run(run), "stage1") == ""
    assert f"process {os.getpid()}" in worker(open_run(run), "stage2")
    (run / ".stage1.lock").write_text(json.dumps(facts))
    shown = dnas("status", run).stdout
    assert f"next       wait for process {os.getpid()}" in shown
    (run / ".stage1.lock").write_text(json.dumps(facts | {"pid": 2**22 + 1}))
    assert "dnas decode" in dnas("status", run).stdout


def test_a_damaged_line_of_history_does_not_stop_status(searched: Path, tmp_path: Path) -> None:
    run = shutil.copytree(searched, tmp_path / "run")
    history = run / "search/stage1/history.jsonl"
    history.write_text(history.read_text() + "junk\n")
    shown = dnas("status", run).stdout
    assert "history.jsonl, line 3" in shown
    assert f"dnas decode {run} --stage 1" in shown


def test_a_disk_that_is_almost_full_is_reported_in_units_that_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    part = object.__new__(unfinished_map.UnfinishedMap)
    part.folder, part.rows, part._height, part._row_bytes = tmp_path, 0, 100, {"map": 100_000}
    with pytest.raises(Exception, match=r"needs 10 MB of disk on its way, 0 MB are free"):
        part._check_space()


def test_a_first_command_that_fails_says_that_the_run_stays(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    failed = dnas("search", run, "--stage", 1, "--data", tiny_tiles, *SIZE, "--batch", 500, code=2)
    assert f"{run}: was created and stays" in failed.stderr
    dnas("search", run, "--stage", 1, *SEARCH)


def test_a_moved_tile_set_is_linked_again_after_a_check(
    searched: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(searched, tmp_path / "a/run")
    manifest = json.loads((run / "run.json").read_text())
    manifest["tile_set"] |= {"path": "gone", "absolute": "/gone"}
    (run / "run.json").write_text(json.dumps(manifest))
    lost = dnas("search", run, "--stage", 1, "--extend", 1, code=4).stderr
    assert f"dnas status {run} --data TILES" in lost
    moved = shutil.copytree(tiny_tiles, tmp_path / "b/tiles")
    other = shutil.copytree(tiny_tiles, tmp_path / "other")
    content = (other / "dataset.json").read_text()
    (other / "dataset.json").write_text(content.replace('"name": "forest"', '"name": "wood"'))
    assert "is not the tile set" in dnas("status", run, "--data", other, code=4).stderr
    assert f"tile set   {moved}" in dnas("status", run, "--data", moved).stdout
    assert f"tile set   {moved}" in dnas("status", run).stdout


def test_options_that_change_nothing_say_so(
    searched: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    larger = dnas("search", run, "--stage", 1, "--data", tiny_tiles, *SIZE, *SEARCH, "--crop", 64)
    assert "--crop 64: is larger than the tiles of 32 px" in larger.stderr
    refused = dnas("decode", run, "--stage", 1, "--rule", "probability", code=2)
    assert "--rule probability: is for stage 2" in refused.stderr


def test_tiles_without_validation_are_reported_when_they_are_cut(
    tiny_scenes: Path, tmp_path: Path
) -> None:
    cut = dnas("tile", tiny_scenes, "--out", tmp_path / "t", "--size", 32, "--split", "1:0:0")
    assert "has no tiles for validation" in cut.stderr


def test_info_knows_vector_layers_and_the_description_of_a_tile_set(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    square = [[[10, 50], [11, 50], [11, 51], [10, 50]]]
    feature = {
        "type": "Feature", "properties": {"class": "water"},
        "geometry": {"type": "Polygon", "coordinates": square},
    }  # fmt: skip
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    shown = dnas("info", path).stdout
    for words in ("vector layers", "1 features, Polygon", "attributes  class", "10, 50, 11, 51"):
        assert words in shown
    assert dnas("info", tiny_tiles / "dataset.json").stdout.startswith(
        f"{tiny_tiles / 'dataset.json'}: tile set"
    )


def test_the_learning_rate_has_its_short_name(tiny_tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dnas("search", run, "--stage", 1, "--data", tiny_tiles, *SIZE, *SEARCH, "--lr", 0.02)
    stored = json.loads((run / "run.json").read_text())["stages"]["stage1"]["settings"]
    assert stored["learning_rate"] == 0.02


def test_color_is_understood_in_descriptions() -> None:
    entry = {"name": "water", "color": [0, 0, 255]}
    assert read_classes([entry], 0, "colour").classes[0].colour == (0, 0, 255)
    with pytest.raises(DataError, match="Known keys"):
        read_classes([{"name": "water", "hue": 3}], 0, "colour")
