"""A run within a budget: planned first, and the rest planned again before every stage."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from dnas_cli.console import logger
from dnas_cli.errors import DataError, UsageError
from dnas_cli.planning.make_plan import make_plan
from dnas_cli.planning.measurements import RETRAINING
from dnas_cli.planning.plan import NAME, Plan, read_plan, write_plan
from dnas_cli.planning.replan import replan
from dnas_cli.run.command_log import typed_command
from dnas_cli.run.directory import Run, open_run
from dnas_cli.run.given_settings import GivenSettings, RunSettings
from dnas_cli.run.manifest import STAGES
from dnas_cli.run.rows import read_rows
from dnas_cli.run.settings import STAGE_SETTINGS, TrainingSettings
from dnas_cli.shown_time import shown_time
from dnas_cli.stages.begin_run import existing_run, linked_tile_set, new_tile_set
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.measure_steps import data_facts, measure, measure_stage
from dnas_cli.stages.new_run import NewRun
from dnas_cli.training.settings_choice import SettingsChoice


def plan_run(root: Path, new_run: NewRun, budget: float, compute: ComputeOptions) -> Plan:
    """Measure and plan, without writing.

    Args:
        root: The run directory; it need not exist.
        new_run: The tile set of a new run; its layers and width, where they are given.
        budget: Seconds that all may take.
        compute: Device, threads and the like.

    Raises:
        DnasError: The tile set cannot be used, or the budget is too short.
    """
    run = existing_run(root, new_run.data)
    opened = new_tile_set(root, new_run.data) if run is None else linked_tile_set(run)
    starting = time.time() - command_began()
    measured = measure(run, opened, budget, compute, new_run)
    measured = replace(measured, seconds=round(starting + measured.seconds, 1))
    return make_plan(measured, data_facts(opened), budget)


def planned_settings(settings: RunSettings, plan: Plan) -> RunSettings:
    """Return the settings of a run with those of a plan; what a person gave stays over them."""
    stages = {}
    for item in plan.stages:
        values = {**item.settings, "epochs": item.epochs}
        given = settings.all.values.keys() - ({"epochs"} if item.name == RETRAINING else set())
        stages[item.name] = GivenSettings(
            values={key: value for key, value in values.items() if key not in given}
        )
    return RunSettings(settings.all.over(GivenSettings(plan.preset)), stages)


def usable_plan(root: Path) -> Plan | None:
    """Read the plan of a run, which a person may have edited; None without one.

    Raises:
        DataError: It is damaged, or settings in it cannot work.
    """
    plan = read_plan(root)
    if plan is None:
        return None
    for item in plan.stages:
        try:
            _settings_by(plan, RunSettings(), item.name)
        except UsageError as error:
            raise DataError(f"{root / NAME}: {item.name}: {error.what}", error.remedy) from error
    return plan


def _settings_by(plan: Plan, settings: RunSettings, stage: str) -> TrainingSettings:
    kind = STAGE_SETTINGS[stage]
    choice = SettingsChoice().within(planned_settings(settings, plan), stage, kind)
    return choice.resolve(kind, {})


def command_began() -> float:
    """Return the time at which the command of this process began; now where Python called."""
    return psutil.Process().create_time() if typed_command() else time.time()


@dataclass
class BudgetClock:
    """The time that a run has taken, over interruptions.

    Attributes:
        before: Seconds beside the training that earlier commands spent.
        trained: Seconds of training in the run when this command began.
    """

    before: float
    trained: float
    began: float

    def spent(self, run: Run) -> float:
        """Return the seconds spent beside the training."""
        here = time.time() - self.began
        return round(self.before + here - (_all_trained(run) - self.trained), 1)


def start_clock(run: Run, plan: Plan, new: bool, began: float) -> BudgetClock:
    """Return the clock of a command that works by a plan; a new one counts the measuring itself."""
    return BudgetClock(0.0 if new else plan.spent, _all_trained(run), began)


def plan_again(run: Run, stage: str, clock: BudgetClock, compute: ComputeOptions) -> None:
    """Plan the rest of a run before a stage starts, and store its settings."""
    plan = usable_plan(run.root)
    if plan is None:
        return
    record = run.record(stage)
    if record is not None and record.settings:
        return  # it has started
    names = [item.name for item in plan.stages]
    finished = {
        name: trained(run, name)
        for name in names[: names.index(stage)]
        if (found := run.record(name)) is not None and found.finished
    }
    steps = {}
    if stage != names[0]:
        settings = _settings_by(plan, run.manifest.settings, stage)
        step = measure_stage(run, stage, settings, linked_tile_set(run), compute)
        if step is not None:
            steps[stage] = step
    new = replan(plan, finished, clock.spent(run), steps)
    write_plan(run.root, new)
    run.set_settings(planned_settings(run.manifest.settings, new))
    logger.info(
        "plan: %s has %d epochs, about %s; all will take %s of %s",
        stage,
        new.stage(stage).epochs,
        shown_time(new.stage(stage).seconds),
        shown_time(new.seconds),
        shown_time(new.budget),
    )


def count_spent(run: Run, clock: BudgetClock) -> None:
    """Store what the stages so far took, and the time beside their training."""
    plan = read_plan(run.root)
    if plan is not None:
        stages = tuple(replace(item, taken=trained(run, item.name)) for item in plan.stages)
        write_plan(run.root, replace(plan, stages=stages, spent=clock.spent(run)))


def close_plan(run: Run, seconds: float) -> None:
    """Store the time that evaluation and report took, and print that of the whole run."""
    plan = read_plan(run.root)
    if plan is not None:
        plan = replace(plan, closed=max(round(seconds, 1), plan.closed))
        write_plan(run.root, plan)
        logger.info("plan: all took %s of %s", shown_time(plan.seconds), shown_time(plan.budget))


def trained(run: Run, stage: str) -> float:
    """Return the seconds of training of a stage."""
    rows = read_rows(run.stage_folder(stage) / "history.jsonl")
    return round(sum(float(row.get("seconds", 0.0)) for row in rows), 1)


def _all_trained(run: Run) -> float:
    opened = open_run(run.root)
    return sum(trained(opened, name) for name in STAGES)
