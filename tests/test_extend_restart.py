"""A stage that exists is resumed, extended, started over or branched, never changed unseen."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dnas_cli.run.directory import open_run
from tests.support.command_line import dnas, rows
from tests.support.same_bits import assert_same_stage, differences
from tests.support.small_runs import RETRAIN, SEARCH


@pytest.fixture
def run(searched: Path, tmp_path: Path) -> Path:
    """A copy of a run whose first stage is searched."""
    return Path(shutil.copytree(searched, tmp_path / "run"))


def _stage(run: Path, name: str = "stage1") -> dict[str, Any]:
    stage: dict[str, Any] = json.loads((run / "run.json").read_text())["stages"][name]
    return stage


def test_a_finished_stage_is_extended_at_the_final_rate_and_that_is_recorded(run: Path) -> None:
    dnas("search", run, "--stage", 1, "--extend", 2)
    history = rows(run / "search/stage1/history.jsonl")
    assert [row["epoch"] for row in history] == [0, 1, 2, 3]
    assert [row["learning_rate"] for row in history[1:]] == [0.001, 0.001, 0.001]
    assert _stage(run)["extensions"] == [{"epochs": 2, "rule": "final"}]
    assert _stage(run)["epochs_done"] == 4
    assert _stage(run)["settings"]["epochs"] == 2


def test_an_extension_by_a_cosine_goes_down_from_the_first_rate_again(run: Path) -> None:
    dnas("search", run, "--stage", 1, "--extend", 2, "--extend-rate", "cosine")
    rates = [row["learning_rate"] for row in rows(run / "search/stage1/history.jsonl")]
    assert rates[1:] == pytest.approx([0.001, 0.013, 0.001])  # at each epoch's end
    assert _stage(run)["extensions"] == [{"epochs": 2, "rule": "cosine"}]


def test_extensions_add_up_and_a_coding_before_them_is_decoded_again(run: Path) -> None:
    dnas("decode", run, "--stage", 1)
    dnas("search", run, "--stage", 1, "--extend", 1)
    assert json.loads(dnas("status", run, "--json").stdout)["next"].endswith(
        "decode " + str(run) + " --stage 1"
    )
    dnas("search", run, "--stage", 1, "--extend", 1, "--extend-rate", "cosine")
    assert "--stage 1 --overwrite" in dnas("search", run, "--stage", 2, code=3).stderr
    assert re.search(r"\b4 of 4\b", dnas("status", run).stdout)
    assert len(_stage(run)["extensions"]) == 2
    assert len(rows(run / "search/stage1/history.jsonl")) == 4
    dnas("decode", run, "--stage", 1, "--overwrite")
    assert json.loads(dnas("status", run, "--json").stdout)["next"].endswith("--stage 2")


def test_an_extension_that_was_interrupted_continues_by_the_same_command(
    run: Path, tmp_path: Path
) -> None:
    whole = Path(shutil.copytree(run, tmp_path / "whole"))
    dnas("search", whole, "--stage", 1, "--extend", 1)
    manifest = json.loads((run / "run.json").read_text())  # as it is just after the extension began
    manifest["stages"]["stage1"].update(
        phase="started", extensions=[{"epochs": 1, "rule": "final"}]
    )
    (run / "run.json").write_text(json.dumps(manifest))
    dnas("search", run, "--stage", 1, "--extend", 1)
    assert_same_stage(whole / "search/stage1", run / "search/stage1")
    assert _stage(run) == _stage(whole)


def test_what_is_not_finished_or_was_built_on_is_not_extended(
    run: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    dnas("encode", other, "--stage", 1, "--data", tiny_tiles, "--layers", 3, "--width", 4)
    assert "nothing to extend" in dnas("search", other, "--stage", 1, "--extend", 1, code=3).stderr
    dnas("decode", run, "--stage", 1)
    dnas("encode", run, "--stage", 2)
    assert "later stages" in dnas("search", run, "--stage", 1, "--extend", 1, code=3).stderr
    dnas("search", run, "--stage", 1, "--extend", 0, code=2)


def test_starting_over_needs_overwrite(run: Path) -> None:
    before = (run / "search/stage1/last.pt").read_bytes()
    assert "--overwrite" in dnas("search", run, "--stage", 1, "--restart", code=2).stderr
    assert (run / "search/stage1/last.pt").read_bytes() == before


def test_a_stage_that_starts_over_takes_other_settings_and_forgets_the_old_ones(
    run: Path, searched: Path
) -> None:
    dnas("decode", run, "--stage", 1)
    dnas("search", run, "--stage", 1, "--restart", "--overwrite", *SEARCH, "--seed", 5)
    assert _stage(run)["settings"]["seed"] == 5
    assert not (run / "coding/path.json").exists()
    assert len(rows(run / "search/stage1/history.jsonl")) == 2
    dnas("search", run, "--stage", 1, "--restart", "--overwrite", *SEARCH, "--seed", 0)
    assert differences(run, searched) == []


def test_a_restart_that_cannot_work_throws_nothing_away(run: Path, searched: Path) -> None:
    restart = ("search", run, "--stage", 1, "--restart", "--overwrite")
    dnas(*restart, "--batch", 1000, code=2)
    dnas(*restart, "--device", "tpu", code=2)
    assert differences(run, searched) == []


def test_a_restart_that_was_cut_short_is_completed_first(run: Path, searched: Path) -> None:
    (run / "search/stage1").rename(run / "search/.stage1.discarded")
    dnas("search", run, "--stage", 1, *SEARCH)
    assert differences(run, searched) == []


def test_another_setting_is_refused_with_the_difference_and_three_ways_out(run: Path) -> None:
    message = dnas("search", run, "--stage", 1, "--learning-rate", 0.5, "--batch", 3, code=3).stderr
    assert "learning-rate 0.025 (now 0.5)" in message
    assert "batch 4 (now 3)" in message
    for way in ("--branch NEW_RUN", "--extend N", "--restart and --overwrite"):
        assert way in message
    other = dnas("search", run, "--stage", 1, "--preset", "quick", code=3).stderr
    assert "augment mirror (now scale)" in other
    assert "epochs" not in other.split("Leave")[0]  # a flag that was given stays
    dnas("search", run, "--stage", 1, "--batch", 4)  # the same as before is no other


def test_a_branch_at_an_epoch_decodes_that_epoch_and_records_where_it_came_from(run: Path) -> None:
    dnas("decode", run, "--stage", 1)
    child = run.with_name("child")
    branch = ("search", run, "--stage", 2, "--branch", child, "--at-epoch", 1, *SEARCH)
    dnas(*branch)
    assert _stage(child)["decoded"] == {"epoch": 1}
    lineage = open_run(child).manifest.lineage
    assert lineage is not None
    assert lineage.parent == "../run"
    assert lineage.taken_over == "search of stage 1"
    dnas(*branch)  # resumes in that branch, which is finished
    assert "--at-epoch" in dnas("search", run, "--stage", 1, "--at-epoch", 1, code=2).stderr


def test_a_branch_at_an_epoch_that_is_not_there_leaves_nothing(run: Path) -> None:
    child = run.with_name("child")
    message = dnas(
        "search", run, "--stage", 2, "--branch", child, "--at-epoch", 9, *SEARCH, code=2
    ).stderr
    assert "--at-epoch 9: this stage has logits of epochs 1 to 2" in message
    message = dnas("decode", run, "--stage", 1, "--branch", child, "--epoch", 9, code=2).stderr
    assert "--epoch 9: this stage has logits of epochs 1 to 2" in message
    assert not child.exists()
    dnas("search", run, "--stage", 2, "--branch", child, "--at-epoch", 2, *SEARCH)


def test_linked_files_are_never_written_through(run: Path) -> None:
    dnas("decode", run, "--stage", 1)
    before = {path: path.read_bytes() for path in sorted(run.rglob("*.pt"))}
    child = run.with_name("child")
    dnas("decode", run, "--stage", 1, "--branch", child)
    ours, theirs = run / "search/stage1/last.pt", child / "search/stage1/last.pt"
    assert ours.stat().st_ino == theirs.stat().st_ino  # one file on the disk
    dnas("search", child, "--stage", 1, "--extend", 1)
    dnas("search", child, "--stage", 1, "--restart", "--overwrite", *SEARCH, "--seed", 3)
    assert {path: path.read_bytes() for path in sorted(run.rglob("*.pt"))} == before


def test_no_thread_sees_the_rights_of_new_files_changed_by_another() -> None:
    """`os.umask` holds for the whole process; reading it sets it."""
    package = Path(__file__).resolve().parents[1] / "dnas_cli"
    assert not [path.name for path in package.rglob("*.py") if "umask(" in path.read_text()]


def test_a_branch_has_the_rights_that_the_umask_gives_and_leftovers_go(run: Path) -> None:
    dnas("decode", run, "--stage", 1)
    child, left = run.with_name("child"), run.with_name(".child.0123abcd.work")
    left.mkdir()  # of a command that was killed
    before = os.umask(0o027)
    try:
        dnas("encode", run, "--stage", 2, "--branch", child)
    finally:
        os.umask(before)
    rights = {path.stat().st_mode & 0o777 for path in child.rglob("*") if path.suffix != ".pt"}
    assert rights == {0o750, 0o640}
    assert child.stat().st_mode & 0o777 == 0o750
    assert not left.exists()


def test_a_branch_appears_whole_or_not_at_all(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dnas("decode", run, "--stage", 1)
    child = run.with_name("child")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.link", fail)
        patch.setattr("shutil.copyfile", fail)
        assert (
            "No space left" in dnas("encode", run, "--stage", 2, "--branch", child, code=1).stderr
        )
    assert sorted(path.name for path in run.parent.iterdir()) == ["run"]
    dnas("encode", run, "--stage", 2, "--branch", child)


def test_every_step_can_go_on_in_a_branch_and_the_parent_stays(
    designed: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(designed, tmp_path / "run"))
    other = ("--seed", 7)
    dnas("encode", run, "--stage", 2, "--branch", run.with_name("a"))
    dnas("search", run, "--stage", 2, "--branch", run.with_name("b"), *SEARCH, *other)
    dnas("decode", run, "--stage", 3, "--branch", run.with_name("c"), "--epoch", 1)
    dnas("retrain", run, "--branch", run.with_name("d"), *RETRAIN, *other)
    taken = {name: open_run(run.with_name(name)).manifest.lineage for name in "abcd"}
    assert [lineage and lineage.taken_over for lineage in taken.values()] == [
        "path", "path", "search of stage 3", "architecture",
    ]  # fmt: skip
    assert differences(run, designed) == []


def test_retraining_is_extended_and_started_over_and_its_model_follows(
    trained: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    dnas("retrain", run, "--extend", 1)
    assert len(rows(run / "retrain/history.jsonl")) == 3
    assert _stage(run, "retrain")["extensions"] == [{"epochs": 1, "rule": "final"}]
    dnas("retrain", run, "--restart", code=2)
    dnas("retrain", run, "--restart", "--overwrite", *RETRAIN)
    assert differences(run, trained) == []
