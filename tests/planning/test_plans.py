"""Plans: pure functions of measurements, data and a budget; two machines are simulated."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from dnas_cli.errors import DataError, UsageError
from dnas_cli.planning.budget import budget_seconds
from dnas_cli.planning.make_plan import SIZES, make_plan, sizes_for, sizes_of
from dnas_cli.planning.measurements import DataFacts, Measurements, StepTime
from dnas_cli.planning.plan import StagePlan, read_plan, write_plan
from dnas_cli.planning.replan import replan
from dnas_cli.planning.rounds import LOGIT_STEPS
from dnas_cli.run.settings import RetrainSettings, SearchSettings
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.typed_fields import build

SIMULATED = json.loads((Path(__file__).parent / "simulated.json").read_text())
CPU = build(Measurements, SIMULATED["16 cores"])
GPU = build(Measurements, SIMULATED["8 GB GPU"])
CORE = build(Measurements, SIMULATED["1 core"])
DUBAI = DataFacts(558, 54, 180, 256, 5, colours=True)
GID = DataFacts(18_900, 6_300, 6_300, 512, 5)
TOWN = DataFacts(470, 110, 110, 256, 5)
FEW = DataFacts(40, 8, 8, 256, 5)


@pytest.mark.parametrize("machine", [CPU, GPU])
@pytest.mark.parametrize("data", [GID, TOWN, FEW])
@pytest.mark.parametrize("budget", ["20m", "45m", "8h", "3d"])
def test_a_plan_fits_its_budget_lets_the_logits_decide_and_can_be_built(
    machine: Measurements, data: DataFacts, budget: str
) -> None:
    seconds = budget_seconds(budget)
    try:
        plan = make_plan(machine, data, seconds)
    except UsageError:
        assert data == GID
        assert seconds < 3600
        return
    assert plan.seconds <= seconds
    assert plan == make_plan(machine, data, seconds)
    for stage in plan.stages:
        kind = RetrainSettings if stage.name == "retrain" else SearchSettings
        flags = {**stage.settings, "epochs": stage.epochs}
        settings = SettingsChoice("quick", None, flags).resolve(kind, {})
        if isinstance(settings, SearchSettings):
            learning = settings.epochs - settings.weight_epochs
            assert learning * stage.steps >= LOGIT_STEPS
    full = all(item.epochs == 60 for item in plan.stages[:3]) or plan.stages[3].epochs == 200
    assert plan.seconds > 0.85 * seconds or full


def test_45_minutes_on_16_cores_for_a_town() -> None:
    plan = make_plan(CPU, TOWN, budget_seconds("45m"))
    assert plan.size.width >= 12
    assert plan.machine.threads == 16
    search = sum(item.seconds for item in plan.stages[:3])
    assert 0.3 < search / (search + plan.stages[3].seconds) < 0.45
    assert plan.stages[3].epochs >= 20


def test_5_minutes_on_one_core_are_enough_for_558_tiles_and_20_train_four_times_as_much() -> None:
    plans = {minutes: make_plan(CORE, DUBAI, 60 * minutes) for minutes in (5, 20)}
    for minutes, plan in plans.items():
        assert 0.9 < plan.seconds / 60 / minutes <= 1
        assert plan.size.head <= 32
        assert all(item.settings["epoch_steps"] == item.steps for item in plan.stages[:3])
        assert plan.stages[3].settings["keep"] == "last"
        assert any("of 558 tiles, others each time" in reason for reason in plan.reasons)
    seen = [plan.size.batch * _steps(plan.stages[3]) for plan in plans.values()]
    assert seen[1] > 4 * seen[0]
    with pytest.raises(UsageError, match="too short"):
        make_plan(CORE, DUBAI, 120)


def test_3_days_on_8_gb_for_gid_train_the_paper_s_network_in_low_memory() -> None:
    plan = make_plan(GPU, GID, budget_seconds("3d"))
    assert (plan.size.layers, plan.size.width, plan.memory) == (12, 40, "low")
    small = replace(GPU, machine=replace(GPU.machine, memory=3_000_000_000))
    smaller = make_plan(small, GID, budget_seconds("3d"))
    assert smaller.size.width < 40
    assert any("width 40 needs" in reason for reason in smaller.reasons)


def test_few_tiles_get_a_small_network_and_no_endless_epochs() -> None:
    plan = make_plan(GPU, FEW, budget_seconds("8h"))
    assert plan.size.width == 8
    assert plan.stages[3].epochs == 200
    assert plan.seconds < budget_seconds("8h") / 2
    assert any("less than the budget" in reason for reason in plan.reasons)


def test_more_time_never_trains_less() -> None:
    arithmetic = []
    for minutes in (5, 10, 20, 60, 240):
        plan = make_plan(CPU, TOWN, minutes * 60)
        arithmetic.append(plan.stages[3].seconds)
    assert arithmetic == sorted(arithmetic)


def test_a_budget_that_is_too_short_names_the_least() -> None:
    with pytest.raises(UsageError, match=r"too short .* takes \d+ min") as caught:
        make_plan(CPU, GID, 60)
    assert "budget=" in str(caught.value)
    nothing = replace(CPU, machine=replace(CPU.machine, memory=1000))
    with pytest.raises(UsageError, match="free memory"):
        make_plan(nothing, TOWN, 3600)


def test_the_rest_is_planned_again_from_what_stages_took() -> None:
    plan = make_plan(CPU, TOWN, budget_seconds("45m"))
    first = plan.stages[0]
    for pace in (0.6, 1.6):
        again = replan(plan, {"stage1": first.seconds * pace}, plan.spent + 20, {})
        assert again.size == plan.size
        assert again.stages[0].taken == first.seconds * pace
        assert math.isclose(again.seconds, plan.budget, rel_tol=0.1)
        assert (_steps(again.stages[3]) > _steps(plan.stages[3])) == (pace < 1)
    fixed = plan.with_stage(replace(plan.stages[3], fixed=True))
    kept = replan(fixed, {"stage1": first.seconds * 1.6}, plan.spent, {})
    assert kept.stages[3].epochs == plan.stages[3].epochs
    slow = {"retrain": StepTime("retrain", 10.0, 10.0)}
    measured = replan(plan, {"stage1": first.seconds}, plan.spent, slow)
    assert _steps(measured.stages[3]) < _steps(plan.stages[3]) / 3
    assert math.isclose(measured.seconds, plan.budget, rel_tol=0.1)


def _steps(stage: StagePlan) -> int:
    return stage.epochs * stage.steps


def test_a_plan_is_data_that_can_be_edited(tmp_path: Path) -> None:
    plan = make_plan(CPU, TOWN, 3600)
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan
    content = json.loads((tmp_path / "plan.json").read_text())
    assert content["reasons"]
    content["stages"][3]["epochs"] = "many"
    (tmp_path / "plan.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"plan\.json: is not a valid plan \(.*epochs 'many'"):
        read_plan(tmp_path)


def test_large_tiles_are_trained_in_parts_on_a_cpu_alone() -> None:
    assert {size.crop for size in sizes_for(GID, "cpu")} == {256}
    assert {size.crop for size in sizes_for(GID, "cuda")} == {0}
    assert {size.batch for size in sizes_for(replace(FEW, train=4), "cpu")} == {2}
    assert [size.width for size in SIZES] == sorted(size.width for size in SIZES)


def test_the_layers_and_the_width_of_a_run_are_planned_for() -> None:
    (of_run,) = sizes_of(SIZES, 7, 18)
    assert (of_run.layers, of_run.width, of_run.head) == (7, 18, SIZES[2].head)
    deep = sizes_of(SIZES, 9, None)
    assert [size.width for size in deep] == [size.width for size in SIZES]
    assert {size.layers for size in deep} == {9}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("8h", 28_800), ("1h30m", 5400), (12.5, 12.5)]
)
def test_a_budget_is_a_time(text: str | float, seconds: float) -> None:
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "45", "0m", "m", "45 m", "-1h", "1y", 0.0, float("nan")])
def test_anything_else_is_no_time(text: str | float) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        budget_seconds(text)
