"""Planning the rest of a run again, from what its finished stages took."""

from dataclasses import replace

from dnas_cli.planning.make_plan import MARGIN, stage_plan
from dnas_cli.planning.measurements import RETRAINING, Candidate, StepTime
from dnas_cli.planning.plan import Plan, StagePlan
from dnas_cli.planning.rounds import Rounds, fewest, rounds_within

_PACES = (0.25, 4.0)
_MOST_LONGER = 1.5  # a search, where there is more time than planned


def replan(
    plan: Plan, finished: dict[str, float], spent: float, measured: dict[str, StepTime]
) -> Plan:
    """Plan the rest of a run from what the finished stages took.

    Epochs and steps of stages that have not started change; size and settings stay.

    Args:
        plan: The plan so far.
        finished: Seconds that each finished stage took.
        spent: Seconds spent beside the training.
        measured: Steps of stages that were measured again.
    """
    predicted = sum(plan.stage(name).seconds for name in finished)
    pace = sum(finished.values()) / predicted if predicted else 1.0
    pace = min(max(pace, _PACES[0]), _PACES[1])
    done = [replace(plan.stage(name), taken=seconds) for name, seconds in finished.items()]
    rest = [item for item in plan.stages if item.name not in finished]
    steps = {item.name: measured.get(item.name) or _step(plan, item, pace) for item in rest}
    now = [_again(plan, item, steps[item.name], rounds_of(item)) for item in rest]
    planned = sum(item.seconds for item in now)
    left = plan.budget * (1 - MARGIN) - plan.closing - spent - sum(finished.values())
    left -= plan.starting * max(len(rest) - 1, 0)  # the start of the first is in what is spent
    room = max(min(left / planned, _MOST_LONGER), 0.0) if planned else 1.0
    for item in now:
        step = steps[item.name]
        if not item.fixed:
            seconds = left if item.name == RETRAINING else item.seconds * room
            rounds = rounds_within((step,), plan.size, plan.data, seconds)
            rounds = rounds or fewest(item.name, plan.size, plan.data)
            item = _again(plan, item, step, rounds)
        left -= item.seconds
        done.append(item)
    return replace(plan, stages=tuple(done), spent=spent)


def rounds_of(item: StagePlan) -> Rounds:
    """Return the rounds of a planned stage."""
    every = int(item.settings.get("validate_every", 1))
    whole = not item.settings.get("epoch_steps", 0)
    return Rounds(item.epochs, item.steps, every, whole)


def _again(plan: Plan, item: StagePlan, step: StepTime, rounds: Rounds) -> StagePlan:
    """Return the plan of a stage of other rounds, with the settings that it had otherwise."""
    new = stage_plan(item.name, Candidate(plan.size, plan.memory, (step,)), plan.data, rounds)
    changing = {key: new.settings[key] for key in ("validate_every", "epoch_steps")}
    return replace(new, settings={**item.settings, **changing}, fixed=item.fixed)


def _step(plan: Plan, item: StagePlan, pace: float) -> StepTime:
    """Return the step of a stage at a pace, where 1 is as measured."""
    for step in plan.measured:
        if step.stage == item.name:
            return replace(step, weights=step.weights * pace, full=step.full * pace)
    mean = item.seconds / item.epochs / item.steps * pace
    return StepTime(item.name, mean, mean)
