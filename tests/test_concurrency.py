"""Many processes at once: no error, no torn read, one writer."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dnas_cli import file_lock
from dnas_cli.run.directory import open_run
from dnas_cli.run.lock import beginning, stage_lock
from dnas_cli.run.manifest import StageRecord
from dnas_cli.scratch_folder import scratch_folder
from dnas_cli.space.coding import ArchitectureCoding, ConnectionCoding, PathCoding, second_space
from dnas_cli.tiles.work_folder import WorkFolder
from tests.support.command_line import dnas, start
from tests.support.crowd import crowd
from tests.support.predicting import read
from tests.support.reported_inputs import noise, place, put
from tests.support.same_bits import assert_same_stage, differences
from tests.support.small_models import write_model
from tests.support.small_runs import RETRAIN, SEARCH, SIZE, first_search, wait_for

SHORT = ("--epochs", 1, "--logits-from", 1, "--batch", 4, "--head", 8, "--device", "cpu")


@pytest.fixture(scope="module")
def alone(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was searched with nothing beside it."""
    run = tmp_path_factory.mktemp("alone") / "run"
    dnas("search", run, "--stage", 1, "--data", tiny_tiles, *SIZE, *SHORT)
    return run


@pytest.mark.parametrize("module", ["scratch_folder", "run.lock", "tiles.work_folder"])
def test_a_folder_that_goes_before_it_is_locked_becomes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Another process renames its draft, or removes what it failed to begin."""
    target = tmp_path / "target"
    gone = tmp_path / ".target.0badcafe.work" if module == "scratch_folder" else target
    gone.mkdir()
    removed = list[Path]()

    def locked(path: Path, wait: bool = False) -> Any:
        if path == gone and not removed:
            removed.append(path)
            path.rmdir()
        return file_lock.locked(path, wait)

    monkeypatch.setattr(f"dnas_cli.{module}.locked", locked)
    if module == "scratch_folder":
        with scratch_folder(target) as draft:
            draft.replace(target)
    elif module == "run.lock":
        with beginning(target):
            (target / "begun").touch()
    else:
        with WorkFolder(target).lock():
            pass
    assert removed == [gone]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["target"]
    assert len(list(tmp_path.iterdir())) == 1


def test_ten_processes_on_one_tile_set_do_as_one_does(
    alone: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    runs = [tmp_path / f"run-{k}" for k in range(10)]  # all in one parent folder
    ends = crowd(
        [["search", run, "--stage", 1, "--data", tiny_tiles, *SIZE, *SHORT] for run in runs]
    )
    assert [end.code for end in ends] == [0] * 10, ends
    for run in runs:
        assert differences(run, alone) == []


def _architecture(path: Path, operator: str) -> Path:
    connections = ConnectionCoding(second_space(PathCoding((0, 1, 1))).graph)
    operators = tuple((operator,) for _ in connections.graph.nodes)
    ArchitectureCoding(connections.graph, operators).write(path)
    return path


def test_of_two_commands_that_begin_one_run_at_once_one_does_and_the_other_says_what_is_there(
    alone: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    sizes = (("--layers", 3, "--width", 4), ("--layers", 4, "--width", 8))
    encoded = [tmp_path / f"encoded-{k}" for k in range(4)]
    commands: list[list[object]] = [
        ["encode", root, "--stage", 1, "--data", tiny_tiles, *size]
        for root in encoded
        for size in sizes
    ]
    for operator in ("conv1x1", "conv3x3"):
        coding = _architecture(tmp_path / f"{operator}.json", operator)
        given = ["--architecture", coding, "--data", tiny_tiles, "--width", 4, "--head", 8]
        commands.append(["retrain", tmp_path / "adopted", *given, *RETRAIN])
    commands += [["encode", alone, "--stage", 1, "--branch", tmp_path / "branch"]] * 2
    ends = crowd(commands)
    for at in range(0, 10, 2):
        assert sorted(end.code for end in ends[at : at + 2]) == [0, 3], ends[at : at + 2]
    assert [end.code for end in ends[10:]] == [0, 0], ends[10:]
    for root, first in zip(encoded, ends[:8:2], strict=True):
        run = open_run(root)
        layers = 3 if first.code == 0 else 4
        assert (run.manifest.layers, run.space(1).graph.layers) == (layers, layers)
    for end in ends:
        assert "space" not in end.output or end.code == 0, end.output
    assert not list(tmp_path.glob(".*"))


def test_an_encoding_that_cannot_have_the_stage_changes_nothing(
    alone: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, *SIZE)
    before = (run / "run.json").read_bytes()
    with stage_lock(open_run(run), "stage1"):
        dnas("encode", run, "--stage", 1, "--layers", 5, "--overwrite", code=3)
    assert (run / "run.json").read_bytes() == before


@pytest.mark.parametrize("change", ["logits.jsonl", "history.jsonl", "folder"])
def test_a_parent_that_changes_while_it_is_copied_leaves_no_branch(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    run, child, right = Path(shutil.copytree(alone, tmp_path / "run")), tmp_path / "child", os.link
    stage = run / "search/stage1"

    def link(source: Path, target: Path) -> None:
        if change == "folder":
            if stage.exists():
                stage.rename(tmp_path / "away")  # as a restart does first
            raise FileNotFoundError(source)
        (stage / change).write_text("")
        right(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        message = dnas("decode", run, "--stage", 1, "--branch", child, code=3).stderr
    assert "changed while the branch was made" in message
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "away") == ["run"]


def test_of_many_writers_of_a_stage_one_works_and_the_others_say_who(
    alone: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, *SIZE)
    ends = crowd([["search", run, "--stage", 1, *SHORT]] * 4)
    assert sorted({end.code for end in ends}) in ([0], [0, 3]), ends
    for end in ends:
        if end.code == 3:
            assert "is being worked on" in end.output
        assert "Traceback" not in end.output
    assert_same_stage(run / "search/stage1", alone / "search/stage1")


def test_stages_of_one_run_do_not_undo_each_others_records(alone: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dnas("decode", alone, "--stage", 1, "--branch", run)
    commands: list[list[object]] = [["search", run, "--stage", 2, *SEARCH]]
    commands += [["decode", run, "--stage", 1]] * 3
    ends = crowd(commands)
    assert ends[0].code == 0, ends
    assert {end.code for end in ends[1:]} <= {0, 3}, ends
    stages = json.loads((run / "run.json").read_text())["stages"]
    assert stages["stage1"]["phase"] == "decoded"
    assert stages["stage2"]["phase"] == "finished"


def test_status_in_a_loop_during_a_search_never_fails_or_reads_half_a_file(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, seen = tmp_path / "run", []
    process = start(*first_search(run, tiny_tiles, "--epochs", 6, "--checkpoint-every", 0))
    try:
        wait_for(run / "run.json")
        while process.poll() is None:
            result = dnas("status", run, "--json")
            stage = json.loads(result.stdout)["stages"]["stage1"]
            seen.append(stage.get("epochs", 0))
    finally:
        process.kill()
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert seen == sorted(seen)
    assert len(set(seen)) > 2


def test_readers_of_finished_stages_do_not_wait_for_a_search(
    alone: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("decode", alone, "--stage", 1, "--branch", run)
    process = start("search", run, "--stage", 2, *SEARCH, "--epochs", 200)
    try:
        wait_for(run / "search/stage2/last.pt")
        dnas("status", run)
        dnas("info", run)
        dnas("decode", run, "--stage", 1)
    finally:
        process.kill()
        process.communicate()


def test_a_branch_at_a_finished_stage_does_not_wait_for_later_ones(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, child, right = tmp_path / "run", tmp_path / "child", os.link
    dnas("decode", alone, "--stage", 1, "--branch", run)
    dnas("encode", run, "--stage", 2)

    def link(source: Path, target: Path) -> None:  # meanwhile, stage 2 finishes an epoch
        opened = open_run(run)
        opened.set_record("stage2", StageRecord("started", {"epochs": 2, "seed": 0}, 1))
        right(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", link)
        dnas("encode", run, "--stage", 2, "--branch", child)
    assert differences(child / "search", run / "search") == []


def test_a_model_is_evaluated_while_its_run_is_trained_further(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, architecture = tmp_path / "run", tmp_path / "architecture.json"
    _architecture(architecture, "conv1x1")
    dnas(
        "retrain", run, "--architecture", architecture, "--data", tiny_tiles, "--width", 4, *RETRAIN
    )
    process = start("retrain", run, "--extend", 200, "--checkpoint-every", 0, "--device", "cpu")
    try:
        wait_for(run / "retrain/previous.pt")
        for _ in range(3):
            dnas("eval", run, "--device", "cpu")
            dnas("info", run / "retrain/last.pt")
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_predictions_into_one_folder_at_once_are_no_failure(tmp_path: Path) -> None:
    for number in range(4):
        put(tmp_path / f"in/s{number}.tif", noise(number, size=200), **place())
    model = write_model(tmp_path / "model.pt")
    given: list[object] = ["predict", model, tmp_path / "in", "--device", "cpu", "--json", "--out"]
    dnas(*given, f"{tmp_path}/alone/")
    ends = crowd([[*given, f"{tmp_path}/maps/"]] * 3)
    assert [end.code for end in ends] == [0] * 3, ends
    assert sum(end.output.count('"status": "done"') for end in ends) == 4  # each scene once
    alone, maps = tmp_path / "alone", tmp_path / "maps"
    assert sorted(path.name for path in maps.iterdir()) == sorted(
        path.name for path in alone.iterdir()
    )
    for path in alone.glob("*.tif"):
        assert np.array_equal(read(path), read(maps / path.name))
