"""The planner: from measurements, data and a budget to a plan, without looking at anything else."""

import math
from dataclasses import dataclass, replace

from dnas_cli.errors import UsageError
from dnas_cli.planning.measurements import (
    RETRAINING,
    SEARCHES,
    Candidate,
    DataFacts,
    Measurements,
    Size,
)
from dnas_cli.planning.plan import Plan, StagePlan
from dnas_cli.shown_time import shown_time
from dnas_cli.typed_fields import SettingValue

SEARCH_SHARE = 0.35
"""Of the time to train. Random networks were as good as searched ones at equal training
(docs/science.md), so most of the time trains the network found."""

MOST_SEARCH_SHARE = 0.6
LOGIT_STEPS = 60
"""Fewest steps of the logits per stage. Adam moves a logit by the learning rate at most: at 0.1, 60
steps move it by 6, a probability from 1/2 to 0.998."""

_LOGIT_WAY = 6.0
_LOGIT_RATES = (0.003, 0.1)  # the paper's; above, the weights cannot follow
WARMUP = 0.33
MOST_EPOCHS = {**dict.fromkeys(SEARCHES, 60), RETRAINING: 200}  # the paper's
RETRAIN_STEPS = 1000
"""Fewest steps of the retraining at width 8 before a larger network is worth its time; at other
widths in proportion."""

_TILES_PER_WIDTH = 12  # training tiles for each channel of the finest scale above the smallest
_VALIDATION_SHARE = 0.1
MARGIN = 0.03  # of the budget
_CLOSING = (12.0, 0.02)  # seconds of start, decoding, references, page; and per test tile


SIZES = (
    Size(5, 8, 64, 4),
    Size(6, 12, 64, 4),
    Size(8, 16, 128, 4),
    Size(10, 24, 256, 4),
    Size(12, 40, 256, 2),
)
"""What is measured, from the smallest up to the paper's, as long as there is time for the next."""

_CROP = 256  # pixels: on a CPU, larger tiles are trained on in parts


def sizes_for(data: DataFacts, device: str) -> tuple[Size, ...]:
    """Return the sizes that a plan may choose from."""
    crop = _CROP if device == "cpu" and data.tile_size > _CROP else 0
    batch = [max(min(item.batch, data.train // 2), 2) for item in SIZES]
    return tuple(
        replace(item, crop=crop, batch=few) for item, few in zip(SIZES, batch, strict=True)
    )


def worth_measuring(measured: Measurements, data: DataFacts, budget: float, size: Size) -> bool:
    """Return whether a size, larger than the measured ones, may be what the plan chooses."""
    try:
        plan = make_plan(measured, data, budget)
    except UsageError:
        return False
    retraining = plan.stages[-1]
    steps, slower = retraining.epochs * retraining.steps, size.width / plan.size.width
    chosen = plan.size == measured.candidates[-1].size
    return chosen and steps >= slower * _wanted_steps(size)


@dataclass(frozen=True)
class _Fit:
    """How a size fits."""

    candidate: Candidate
    search_epochs: int
    retrain_epochs: int
    reason: str = ""


def make_plan(measured: Measurements, data: DataFacts, budget: float) -> Plan:
    """Plan a run.

    The largest size is taken that fits memory and data, lets the logits decide, and leaves enough
    steps to the retraining; else the smallest.

    Args:
        measured: Steps of several sizes on this machine.
        data: The tile set.
        budget: Seconds that all may take.

    Raises:
        UsageError: Even the smallest size does not fit; the message names the least budget.
    """
    machine = measured.machine
    reasons = [
        f"{machine.device}, {machine.threads} thread{'s' if machine.threads > 1 else ''}"
        + _threads_reason(machine.one_thread, machine.threads)
    ]
    closing = _CLOSING[0] + _CLOSING[1] * data.test
    left = budget * (1 - MARGIN) - measured.seconds - closing
    allowed, refused = _allowed(measured.candidates, data, machine.memory)
    reasons += refused
    fits = [fit for item in allowed if (fit := _fit(item, data, left)) is not None]
    if not fits:
        least = min(_least(item, data) for item in allowed) if allowed else math.inf
        total = (least + measured.seconds + closing) / (1 - MARGIN)
        raise too_short(budget, "a decision of the logits in all stages", total)
    enough = [fit for fit in fits if _steps(fit, data) >= _wanted_steps(fit.candidate.size)]
    chosen = enough[-1] if enough else fits[0]
    size = chosen.candidate.size
    reasons.append(
        f"{size.layers} layers, width {size.width}, head {size.head}: "
        + (
            f"the largest that leaves {_wanted_steps(size):,} steps or more to the retraining"
            if enough
            else "the smallest, as the time is short"
        )
    )
    stages = [_search_plan(name, chosen, data) for name in SEARCHES]
    stages.append(_retrain_plan(chosen, data))
    searching = sum(item.seconds for item in stages[:3])
    training = searching + stages[3].seconds
    reasons.append(
        f"search {searching / training:.0%}, retraining {stages[3].seconds / training:.0%}: random "
        "networks were as good as searched ones at equal training, so most time trains"
    )
    reasons.append(
        f"logits learn in {_logit_steps(chosen, data)} steps per stage (at least {LOGIT_STEPS}), "
        f"at rate {stages[0].settings['logit_learning_rate']:g}"
    )
    plan = Plan(
        budget, machine, data, size, chosen.candidate.memory, "quick", tuple(stages), closing,
        measured.seconds, tuple(reasons),
    )  # fmt: skip
    if plan.seconds < 0.9 * budget:
        reason = (
            f"all takes {shown_time(plan.seconds)}, less than the budget: at the most epochs of "
            "the largest size that memory, data and measurements allow"
        )
        plan = replace(plan, reasons=(*plan.reasons, reason))
    return plan


def plan_search(
    measured: Measurements, data: DataFacts, budget: float, stage: str
) -> tuple[Size, StagePlan]:
    """Plan a single search: the largest size whose logits decide within a time.

    Raises:
        UsageError: Those of no size do; the message names the least budget.
    """
    allowed, _ = _allowed(measured.candidates, data, measured.machine.memory)
    left = budget * (1 - MARGIN)
    each = [_epoch_seconds(item, stage, data) for item in allowed]
    least = [_fewest_epochs(item.size, data) for item in allowed]
    fits = [number for number, epoch in enumerate(each) if least[number] * epoch <= left]
    if not fits:
        needed = min(map(math.prod, zip(each, least, strict=True)), default=math.inf)
        raise too_short(budget, "a decision of its logits", needed / (1 - MARGIN))
    chosen = allowed[fits[-1]]
    epochs = min(int(left / each[fits[-1]]), MOST_EPOCHS[stage])
    return chosen.size, _search_plan(stage, _Fit(chosen, epochs, 0), data)


def too_short(budget: float, what: str, least: float) -> UsageError:
    """Return the error of a budget below what is least: seconds, infinite where nothing fits."""
    if math.isinf(least):
        return UsageError("budget=...: no size of network fits into the free memory.")
    return UsageError(
        f"budget={shown_time(budget).replace(' ', '')}: is too short for these tiles on this "
        f"machine; {what} takes {shown_time(least)}.",
        "Give more time, or cut fewer or smaller tiles.",
    )


def replan(plan: Plan, finished: dict[str, float], spent: float, steps: dict[str, float]) -> Plan:
    """Plan the rest of a run from what the finished stages took.

    Epochs of stages that have not started change; size and settings stay.

    Args:
        plan: The plan so far.
        finished: Seconds that each finished stage took.
        spent: Seconds spent beside the training.
        steps: Seconds of a step of stages that were measured again.
    """
    predicted = sum(plan.stage(name).seconds for name in finished)
    pace = sum(finished.values()) / predicted if predicted else 1.0
    pace = min(max(pace, 0.25), 4.0)
    stages = []
    for item in plan.stages:
        if item.name in finished:
            stages.append(replace(item, taken=finished[item.name]))
            continue
        factor = steps[item.name] / _step_seconds(item) if item.name in steps else pace
        stages.append(replace(item, seconds=item.seconds * factor))
    plan = replace(plan, stages=tuple(stages), spent=spent)
    rest = [item for item in plan.stages if not item.taken]
    left = plan.budget * (1 - MARGIN) - plan.closing - spent - sum(finished.values())
    if not rest:
        return plan
    searches = [item for item in rest if item.name in SEARCHES]
    if searches:
        planned = sum(item.seconds for item in rest)
        room = max(min(left / planned, 1.5), 0.0) if planned else 1.0
        for item in searches:
            least = math.ceil(LOGIT_STEPS / item.steps / (1 - WARMUP))
            plan = plan.with_stage(_with_epochs(item, int(item.epochs * room), least))
        left -= sum(plan.stage(item.name).seconds for item in searches)
    last = plan.stages[-1]
    if not last.taken:
        each = last.seconds / last.epochs
        epochs = min(int(left / each), MOST_EPOCHS[last.name])
        plan = plan.with_stage(_with_epochs(last, epochs, 1))
    return plan


def _with_epochs(item: StagePlan, epochs: int, least: int) -> StagePlan:
    if item.fixed:
        return item
    epochs = min(max(epochs, least), MOST_EPOCHS[item.name])
    settings = dict(item.settings)
    if "validate_every" in settings:
        settings["validate_every"] = min(settings["validate_every"], max(epochs // 4, 1))
    seconds = item.seconds * epochs / item.epochs
    return replace(item, epochs=epochs, settings=settings, seconds=seconds)


def _step_seconds(item: StagePlan) -> float:
    """Return the planned time of a mean step, validation included."""
    return item.seconds / item.epochs / item.steps


def _allowed(
    candidates: tuple[Candidate, ...], data: DataFacts, memory: int
) -> tuple[list[Candidate], list[str]]:
    """Return the candidates that memory and data allow, and why others are not."""
    allowed, reasons = [], []
    for item in candidates:
        width, needed = item.size.width, max(step.memory for step in item.steps)
        if memory and needed > memory:
            reasons.append(
                f"width {width} needs {needed / 1e9:.1f} GB; {memory / 1e9:.1f} GB are free"
            )
        elif width > 8 and data.train < _TILES_PER_WIDTH * width:
            reasons.append(
                f"width {width} is for {_TILES_PER_WIDTH * width} training tiles or more; "
                f"there are {data.train}"
            )
        else:
            allowed.append(item)
    return allowed, reasons


def _fit(item: Candidate, data: DataFacts, left: float) -> _Fit | None:
    """Return the epochs of a size within a time; None if the logits could not decide."""
    each = sum(_epoch_seconds(item, name, data) for name in SEARCHES)
    least = _fewest_epochs(item.size, data)
    epochs = max(int(SEARCH_SHARE * left / each), least)
    if epochs * each > MOST_SEARCH_SHARE * left:
        return None
    epochs = min(epochs, MOST_EPOCHS[SEARCHES[0]])
    retraining = int((left - epochs * each) / _epoch_seconds(item, RETRAINING, data))
    if retraining < 1:
        return None
    return _Fit(item, epochs, min(retraining, MOST_EPOCHS[RETRAINING]))


def _least(item: Candidate, data: DataFacts) -> float:
    each = sum(_epoch_seconds(item, name, data) for name in SEARCHES)
    search = each * _fewest_epochs(item.size, data)
    return max(search / MOST_SEARCH_SHARE, search + _epoch_seconds(item, RETRAINING, data))


def _fewest_epochs(size: Size, data: DataFacts) -> int:
    return max(math.ceil(LOGIT_STEPS / _steps_per_epoch(size, "stage1", data) / (1 - WARMUP)), 2)


def _steps_per_epoch(size: Size, stage: str, data: DataFacts) -> int:
    tiles = data.train if stage == RETRAINING else data.train // 2
    return max(tiles // size.batch, 1)


def _epoch_seconds(item: Candidate, stage: str, data: DataFacts) -> float:
    """Return the mean time of an epoch, with its share of the validations."""
    step, steps = item.step(stage), _steps_per_epoch(item.size, stage, data)
    training = steps * (WARMUP * step.weights + (1 - WARMUP) * step.full)
    every = _validate_every(item, stage, data)
    return training + _validation(item, stage, data) / every


def _validation(item: Candidate, stage: str, data: DataFacts) -> float:
    """Return the time of a validation: a forward pass is a third of a step."""
    return data.val / item.size.batch * item.step(stage).weights / 3


def _validate_every(item: Candidate, stage: str, data: DataFacts) -> int:
    step, steps = item.step(stage), _steps_per_epoch(item.size, stage, data)
    return max(
        math.ceil(_validation(item, stage, data) / (_VALIDATION_SHARE * steps * step.weights)), 1
    )


def _steps(fit: _Fit, data: DataFacts) -> int:
    return fit.retrain_epochs * _steps_per_epoch(fit.candidate.size, RETRAINING, data)


def _wanted_steps(size: Size) -> int:
    return RETRAIN_STEPS * size.width // 8


def _logit_steps(fit: _Fit, data: DataFacts) -> int:
    learning = fit.search_epochs - min(round(WARMUP * fit.search_epochs), fit.search_epochs - 1)
    return learning * _steps_per_epoch(fit.candidate.size, SEARCHES[0], data)


def _settings(fit: _Fit, stage: str, epochs: int, data: DataFacts) -> dict[str, SettingValue]:
    size = fit.candidate.size
    every = min(_validate_every(fit.candidate, stage, data), max(epochs // 4, 1))
    return {"batch": size.batch, "crop": size.crop, "head": size.head, "validate_every": every}


def _search_plan(stage: str, fit: _Fit, data: DataFacts) -> StagePlan:
    low, high = _LOGIT_RATES
    rate = min(max(_LOGIT_WAY / _logit_steps(fit, data), low), high)
    settings = _settings(fit, stage, fit.search_epochs, data)
    settings |= {"warmup": WARMUP, "logit_learning_rate": round(rate, 4)}
    seconds = fit.search_epochs * _epoch_seconds(fit.candidate, stage, data)
    steps = _steps_per_epoch(fit.candidate.size, stage, data)
    return StagePlan(stage, fit.search_epochs, steps, settings, round(seconds, 1))


def _retrain_plan(fit: _Fit, data: DataFacts) -> StagePlan:
    settings = _settings(fit, RETRAINING, fit.retrain_epochs, data)
    # Dice with a warm-up raised the mean IoU by 0.05 at equal time (docs/science.md).
    settings |= {"loss": "cross-entropy+dice", "rate_warm_up": 0.05}
    seconds = fit.retrain_epochs * _epoch_seconds(fit.candidate, RETRAINING, data)
    steps = _steps_per_epoch(fit.candidate.size, RETRAINING, data)
    return StagePlan(RETRAINING, fit.retrain_epochs, steps, settings, round(seconds, 1))


def _threads_reason(one: float, threads: int) -> str:
    if not one:
        return ""
    if threads == 1:
        return f": all of them take {1 / one:.1f} times as long"
    return f": one alone takes {one:.1f} times as long"
