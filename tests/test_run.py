"""`dnas run`: one command from tiles to a model, with the bits of the single commands."""

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dnas_cli.planning.measurements import DataFacts, Machine, Size
from dnas_cli.planning.plan import Plan, StagePlan, read_plan, write_plan
from dnas_cli.typed_fields import SettingValue
from tests.support.command_line import dnas, start
from tests.support.same_bits import assert_same_stage, differences, same_tensors
from tests.support.small_runs import wait_for

SIZE = ("--layers", 2, "--width", 2)
GIVEN = ("--preset", "quick", "--epochs", 1, "--head", 8, "--seed", 5, "--device", "cpu")


def _run(run: Path, tiles: Path, *more: object) -> tuple[object, ...]:
    return ("run", run, "--data", tiles, *SIZE, *GIVEN, "--retrain-epochs", 2, *more)


@pytest.fixture(scope="module")
def whole(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that one command made."""
    run = tmp_path_factory.mktemp("whole") / "run"
    result = dnas(*_run(run, tiny_tiles))
    (run.parent / "stdout").write_text(result.stdout)
    (run.parent / "stderr").write_text(result.stderr)
    return run


def test_it_ends_with_figures_beside_references_cost_time_files_and_what_is_next(
    whole: Path,
) -> None:
    shown = (whole.parent / "stdout").read_text()
    for words in ("network found", "majority class", "GMAC", "in all", "model.pt", "report.html"):
        assert words in shown
    assert f"next  dnas predict {whole / 'model.pt'}" in " ".join(shown.split(" "))
    assert all(len(line) <= 80 or str(whole) in line for line in shown.splitlines())
    assert (whole / "report.html").is_file()
    figures = json.loads((whole / "eval/test.json").read_text())
    assert figures["references"]
    assert figures["cost"]


def test_epochs_count_from_1_wherever_a_person_sees_them(whole: Path) -> None:
    status = dnas("status", whole, "--json").stdout
    texts = [(whole.parent / name).read_text() for name in ("stdout", "stderr")]
    texts += [(whole / name).read_text() for name in ("report.html", "dnas.log")]
    for text in (*texts, dnas("status", whole).stdout, dnas("info", whole / "model.pt").stdout):
        assert {int(number) for number in re.findall(r"epoch (\d+)", text)} <= {1, 2}
    assert "epoch 1 of 2" in texts[1]
    assert {int(number) for number in re.findall(r'"epoch": (\d+)', status)} <= {1, 2}
    for stage in ("search/stage1", "search/stage2", "search/stage3", "retrain"):
        table = (whole / stage / "history.csv").read_text().splitlines()
        assert table[1].split(",")[table[0].split(",").index("epoch")] == "1"
    assert "epochs 1 to 1" in dnas("decode", whole, "--stage", 1, "--epoch", 0, code=2).stderr


def test_it_is_the_work_of_the_single_commands_to_the_bit(
    whole: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("search", run, "--stage", 1, "--data", tiny_tiles, *SIZE, *GIVEN)
    dnas("decode", run, "--stage", 1)
    for stage in (2, 3):
        dnas("search", run, "--stage", stage, "--device", "cpu")
        dnas("decode", run, "--stage", stage)
    dnas("retrain", run, "--epochs", 2, "--device", "cpu")
    dnas("eval", run, "--references", "--device", "cpu")
    for folder in ("search", "coding", "retrain"):
        assert not [
            name for name in differences(whole / folder, run / folder) if ".png" not in name
        ]
    assert same_tensors(whole / "model.pt", run / "model.pt")
    ours, theirs = (json.loads((root / "eval/test.json").read_text()) for root in (whole, run))
    for key in ("metrics", "confusion", "references"):
        assert ours[key] == theirs[key]
    assert (
        json.loads((run / "run.json").read_text())["stages"]
        == (json.loads((whole / "run.json").read_text())["stages"])
    )


def test_single_commands_and_it_take_turns_on_one_run(
    whole: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas(*_run(run, tiny_tiles, "--until", 1))
    assert dnas("status", run).stdout.rstrip().endswith(f"dnas search {run} --stage 2")
    early = dnas("run", run, "--from", "retrain", code=3)
    assert "stage 2 is not finished" in early.stderr
    dnas("search", run, "--stage", 2, "--device", "cpu")
    differing = dnas("run", run, "--seed", 6, code=3)
    assert "seed 5 (now 6)" in differing.stderr
    dnas("run", run, "--until", "retrain", "--device", "cpu")
    assert same_tensors(whole / "model.pt", run / "model.pt")
    assert not (run / "eval").exists()


def test_killed_at_any_moment_it_resumes_to_the_same_bits(
    whole: Path, tiny_tiles: Path, tmp_path: Path
) -> None:
    run, command = tmp_path / "run", ("--until", "retrain")
    for place, number in (("search/stage2/last.pt", signal.SIGKILL), ("retrain", signal.SIGTERM)):
        process = start(*_run(run, tiny_tiles, *command))
        wait_for(run / place)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        if number == signal.SIGTERM and process.returncode == 130:
            assert f"Resume with: dnas run {run} --until retrain --device cpu" in errors
    dnas(*_run(run, tiny_tiles, *command))
    for stage in ("search/stage1", "search/stage2", "search/stage3", "retrain"):
        assert_same_stage(whole / stage, run / stage)
    assert same_tensors(whole / "model.pt", run / "model.pt")


def test_a_branch_of_it_changes_what_is_given_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    before = (whole / "run.json").read_bytes()
    command = ("run", whole, "--from", 3, "--branch", child, "--seed", 7, "--until", 3)
    dnas(*command, "--device", "cpu")
    dnas(*command, "--device", "cpu")  # finds all done
    ours, theirs = (
        json.loads((root / "run.json").read_text())["stages"] for root in (whole, child)
    )
    assert theirs["stage3"]["settings"] == ours["stage3"]["settings"] | {"seed": 7}
    assert theirs["stage2"] == ours["stage2"]
    assert (whole / "run.json").read_bytes() == before


def test_where_the_model_is_gone_everything_names_the_retraining(
    whole: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "model.pt").unlink()
    assert dnas("status", run).stdout.rstrip().endswith(f"dnas retrain {run}")
    assert f"Run: dnas retrain {run}" in dnas("eval", run, code=4).stderr
    dnas("retrain", run, "--device", "cpu")
    assert same_tensors(whole / "model.pt", run / "model.pt")


def _plan(run: Path, epochs: int) -> None:
    """Write a plan as a person may edit it."""
    machine = Machine("cpu")
    settings: dict[str, SettingValue] = {"head": 8, "batch": 4, "validate_every": 1}
    names = ("stage1", "stage2", "stage3", "retrain")
    stages = tuple(StagePlan(name, epochs, 4, settings, 1.0, fixed=True) for name in names)
    size = Size(2, 2, 8, 4, 0)
    write_plan(run, Plan(60.0, machine, DataFacts(), size, "fast", "quick", stages, 5.0))


def test_a_plan_that_a_person_wrote_is_followed_and_says_what_was_taken(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, *SIZE)
    _plan(run, 2)
    result = dnas("run", run, "--until", "retrain", "--device", "cpu", "--seed", 4)
    assert "plan: stage2 has 2 epochs" in result.stderr
    assert f"Next: dnas run {run}" in result.stderr
    stages = json.loads((run / "run.json").read_text())["stages"]
    settings = [stages[name]["settings"] for name in ("stage1", "stage2", "stage3", "retrain")]
    assert [item["epochs"] for item in settings] == [2, 2, 2, 2]
    assert {(item["head"], item["seed"], item["optimizer"]) for item in settings} == {
        (8, 4, "adamw")
    }
    plan = read_plan(run)
    assert plan is not None
    assert all(item.taken > 0 for item in plan.stages)
    assert plan.spent > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plan: plan["stages"].pop(1), "its stages are not stage1, stage2, stage3, retrain"),
        (lambda plan: plan["stages"].reverse(), "its stages are not stage1,"),
        (lambda plan: plan["stages"][1].update(name="../../../elsewhere"), "its stages are not"),
        (lambda plan: plan["stages"][2].update(name="x" * 5000), "its stages are not"),
        (lambda plan: plan.update(preset="strong"), "preset 'strong' is none of paper, quick"),
        (lambda plan: plan.update(memory="high"), "memory 'high' is none of plain, fast, low"),
        (lambda plan: plan["machine"].update(threads=9999), "threads must be at most 1024"),
        (lambda plan: plan["stages"][1]["settings"].update(validate_every=0), "stage2: settings:"),
        (lambda plan: plan["stages"][3]["settings"].update(batch="two"), "retrain: settings:"),
        (lambda plan: plan["stages"][0]["settings"].update(bach=2), "Did you mean batch"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_followed_is_one_message_before_the_start(
    tiny_tiles: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    run = tmp_path / "run"
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, *SIZE)
    _plan(run, 2)
    plan = json.loads((run / "plan.json").read_text())
    change(plan)
    (run / "plan.json").write_text(json.dumps(plan))
    failed = " ".join(dnas("run", run, "--device", "cpu", code=4).stderr.split())
    assert "plan.json: " in failed
    assert said in failed
    assert not (run / "search/stage1/history.jsonl").exists()


def test_a_dry_run_measures_and_prints_a_plan_in_80_columns(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("encode", run, "--stage", 1, "--data", tiny_tiles, *SIZE)
    command = ("run", run, "--threads", 1, "--device", "cpu")
    shown = dnas(*command, "--budget", "2h", "--dry-run").stdout
    for words in ("budget   2 h 00 min", "retraining", "in all", "width 2", "least 60"):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert not (run / "plan.json").exists()
    assert "Give 45m, 8h" in dnas(*command, "--budget", "soon", code=2).stderr
    assert "--budget" in dnas(*command, "--dry-run", code=2).stderr
