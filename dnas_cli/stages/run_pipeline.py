"""The stages of a run in a row: search and decode three times, then retrain.

Each is the work of the single command. Finished work is skipped, so the same call resumes, and
single commands and pipelines can take turns on one run.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from dnas_cli.console import logger
from dnas_cli.errors import Interrupted, RunStateError, UsageError
from dnas_cli.planning.plan import Plan, write_plan
from dnas_cli.run.branch import branch
from dnas_cli.run.directory import CODINGS, Run, is_run, open_run
from dnas_cli.run.given_settings import RunSettings
from dnas_cli.run.manifest import STAGES
from dnas_cli.run.settings import STAGE_SETTINGS, RetrainSettings, SearchSettings, TrainingSettings
from dnas_cli.stages.begin_run import existing_run
from dnas_cli.stages.budgeted_run import (
    command_began,
    count_spent,
    plan_again,
    plan_run,
    planned_settings,
    start_clock,
    usable_plan,
)
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.decode import decode
from dnas_cli.stages.encode import encode
from dnas_cli.stages.epoch_callback import EpochCallbacks
from dnas_cli.stages.new_run import NewRun
from dnas_cli.stages.retrain import retrain
from dnas_cli.stages.search import search
from dnas_cli.training.settings_choice import SettingsChoice

Step = Literal["1", "2", "3", "retrain", "eval"]
STEPS: tuple[Step, ...] = get_args(Step)
_SHARED = {item.name for item in fields(TrainingSettings)} - {"epochs"}


@dataclass(frozen=True)
class PipelineRequest:
    """What a pipeline does.

    Attributes:
        choice: Preset, recipe, file and flags; they hold for all stages.
        retraining: Settings of the retraining alone.
        first: The first step; the earlier ones must be finished.
        last: The last step.
        branch: A new run that gets the steps before the first.
        budget: Seconds that all may take; None for the plan that the run has, if it has one.
    """

    choice: SettingsChoice = field(default_factory=SettingsChoice)
    retraining: Mapping[str, Any] = field(default_factory=dict)
    new_run: NewRun = field(default_factory=NewRun)
    first: Step = "1"
    last: Step = "eval"
    branch: Path | None = None
    budget: float | None = None

    def __post_init__(self) -> None:
        if STEPS.index(self.first) > STEPS.index(self.last):
            raise UsageError(f"last={self.last}: comes before first={self.first}.")
        if self.budget is not None and (self.first, self.last) != ("1", "eval"):
            raise UsageError("budget=...: is for all steps.", "Leave first and last out.")

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps from the first to the last."""
        return STEPS[STEPS.index(self.first) : STEPS.index(self.last) + 1]

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages, by name, from the first step on."""
        return STAGES[STEPS.index(self.first) :]


def run_stages(
    root: Path, request: PipelineRequest, compute: ComputeOptions, on_epoch: EpochCallbacks = ()
) -> Run:
    """Search, decode and retrain, as far as requested.

    Raises:
        DnasError: As the single commands; an earlier step is not finished.
        Interrupted: A signal arrived; the state is saved.
    """
    plan, began = None, command_began()
    if request.budget is not None and not _planned_before(root, request.budget):
        plan = plan_run(root, request.new_run, request.budget, compute)
        request = _by_plan(root, request, plan)
        if "epochs" in request.retraining:
            epochs = int(request.retraining["epochs"])
            plan = plan.with_stage(replace(plan.stages[-1], epochs=epochs, fixed=True))
    run = begin_pipeline(root, request, compute)
    if plan is not None:
        run.set_settings(planned_settings(run.manifest.settings, plan))
        write_plan(run.root, plan)
    kept = usable_plan(run.root)
    if kept is not None:
        compute = _computed(compute, kept)
        compute.resolve()
        for reason in kept.reasons if plan is not None else ():
            logger.info("plan: %s", reason)
    clock = start_clock(run, kept, plan is not None, began) if kept is not None else None
    resume = f"dnas run {shlex.quote(str(run.root))}" + (
        "" if request.last == "eval" else f" --until {request.last}"
    )
    try:
        for step in request.steps:
            if clock is not None and step != "eval":
                name = step if step == STAGES[-1] else f"stage{step}"
                plan_again(run, name, clock, compute)
            run = _step(run, step, compute, on_epoch)
        if clock is not None:
            count_spent(run, clock)
    except Interrupted as stopped:
        raise Interrupted(stopped.what, f"Resume with: {resume}{compute.flags}") from stopped
    return run


def _planned_before(root: Path, budget: float) -> bool:
    plan = usable_plan(root)
    return plan is not None and plan.budget == budget


def _by_plan(root: Path, request: PipelineRequest, plan: Plan) -> PipelineRequest:
    """Return a request whose new run has the size of a plan."""
    if is_run(root):
        return request
    size = NewRun(
        request.new_run.data,
        request.new_run.layers or plan.size.layers,
        request.new_run.width or plan.size.width,
    )
    return replace(request, new_run=size)


def _computed(compute: ComputeOptions, plan: Plan) -> ComputeOptions:
    """Return options as a plan has them, where none are given."""
    if compute.device == "auto" or plan.machine.device == compute.device:
        mode = plan.memory if compute.mode == "auto" and plan.memory == "low" else compute.mode
        threads = compute.threads or plan.machine.threads
        return replace(compute, threads=threads, mode=mode)
    return compute


def begin_pipeline(root: Path, request: PipelineRequest, compute: ComputeOptions) -> Run:
    """Create or open the run, and store the settings that the request gives.

    Raises:
        RunStateError: A stage has other settings, or one before the first step is not finished.
        DnasError: As the first command of a run.
    """
    compute.resolve()
    choice, new_run = request.choice, request.new_run
    run = existing_run(root, new_run.data)
    if run is None:
        _check(request, None)
        if request.first != "1":
            return open_run(root)  # reports what is missing
        run = encode(root, 1, NewRun(new_run.data, *new_run.size(choice.preset)))
    elif request.branch is not None:
        before = STEPS.index(request.first)
        _check(request, None)
        run = branch(run, request.branch, min(before, 3), min(before, 3))
    elif replace(new_run, data=None) != NewRun():
        encode(root, 1, replace(new_run, data=None))  # refuses another size
    for stage in list(CODINGS)[: STEPS.index(request.first)]:
        if not is_decoded(run, stage):
            raise RunStateError(
                f"{run.root}: stage {stage} is not finished, which first={request.first} needs.",
                f"Run: {run.next_command()}",
            )
    _check(request, run)
    settings = run.manifest.settings
    held = settings.with_all(choice.given(SearchSettings), request.stages)
    if request.retraining:
        given = SettingsChoice(flags=request.retraining).given(RetrainSettings)
        held = held.with_stage(STAGES[-1], given)
    if held != settings:
        run.set_settings(held)
    return run


def is_decoded(run: Run, stage: int) -> bool:
    """Whether a stage has its coding; adopted and imported ones have as well."""
    record, path = run.record(f"stage{stage}"), run.coding_path(CODINGS[stage])
    if record is None:
        return any(run.coding_path(CODINGS[later]).is_file() for later in range(stage, 4))
    return record.phase == "decoded" and path.is_file()


def is_retrained(run: Run) -> bool:
    """Whether a run has its model."""
    record = run.record(STAGES[-1])
    return record is not None and record.finished and run.model_path.is_file()


def _step(run: Run, step: Step, compute: ComputeOptions, on_epoch: EpochCallbacks) -> Run:
    if step == "retrain" and not is_retrained(run):
        retrain(run.root, None, compute, on_epoch=on_epoch)
    elif step in ("1", "2", "3") and not is_decoded(run, int(step)):
        search(run.root, int(step), None, None, compute, on_epoch=on_epoch)
        decode(run.root, int(step))
    return open_run(run.root)


def _check(request: PipelineRequest, run: Run | None) -> None:
    """Refuse settings that cannot work, or that differ from those of a stage that has started."""
    choice = request.choice
    given = choice.given(SearchSettings)
    shared = {key: value for key, value in given.values.items() if key in _SHARED}
    of_retraining = SettingsChoice(
        choice.preset, None, {**shared, **request.retraining}, choice.recipe
    )
    held = run.manifest.settings if run is not None else RunSettings()
    for name in request.stages:
        record = run.record(name) if run is not None else None
        stored = record.settings if record is not None else {}
        own, kind = of_retraining if name == STAGES[-1] else choice, STAGE_SETTINGS[name]
        own.within(held, name, kind).resolve(kind, stored)
