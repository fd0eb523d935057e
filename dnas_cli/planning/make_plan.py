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
from dnas_cli.planning.rounds import LOGIT_STEPS, SCORING, WARMUP, Rounds, fewest, rounds_within
from dnas_cli.run.manifest import STAGES
from dnas_cli.shown_time import shown_time
from dnas_cli.typed_fields import SettingValue

SEARCH_SHARE = 0.35
"""Of the time to train. Random networks were as good as searched ones at equal training
(docs/science.md), so most of the time trains the network found."""

_MOST_SEARCH_SHARE = 0.6
_LOGIT_WAY = 6.0
_LOGIT_RATES = (0.003, 0.1)  # the paper's; above, the weights cannot follow
RETRAIN_STEPS = 350
"""Fewest steps of the retraining at width 16 before such a network is worth its time; at larger
widths more by the square of the width. At equal time, width 16 was better than 8 from 355 steps on,
and width 24 as good as 16 at 786 (docs/science.md)."""

_TILES_PER_WIDTH = 12  # training tiles for each channel of the finest scale above the smallest
MARGIN = 0.03  # of the budget
_FEW_TO_VALIDATE = 200  # tiles, of which the best epoch is best by chance
_TIMED = 3.0  # steps of each kind that are measured before a stage
_STARTING = 2.0  # seconds for the rest of a stage's start: its network, streams, first checkpoint
_CLOSING = (15.0, 0.02)  # seconds of fitting the references and of the page; and per test tile
_REFERENCE = 2.3e-6  # seconds of a reference per pixel, class and thread
_BY_COLOUR = 0.1  # share of the pixels that show a colour for the first time


SIZES = (
    Size(4, 8, 16, 2),
    Size(4, 16, 32, 2),
    Size(5, 16, 32, 4),
    Size(6, 20, 64, 4),
    Size(8, 24, 64, 4),
    Size(10, 32, 128, 4),
    Size(12, 40, 256, 2),
)
"""What is measured, from the smallest up to the paper's, as long as there is time for the next.

At equal time a width of 16 was better than one of 8, and a head of 32 channels not worse than a
larger one (docs/science.md).
"""

_CROP = 256  # pixels: on a CPU, larger tiles are trained on in parts


def sizes_for(data: DataFacts, device: str) -> tuple[Size, ...]:
    """Return the sizes that a plan may choose from."""
    crop = _CROP if device == "cpu" and data.tile_size > _CROP else 0
    batch = [max(min(item.batch, data.train // 2), 2) for item in SIZES]
    return tuple(
        replace(item, crop=crop, batch=few) for item, few in zip(SIZES, batch, strict=True)
    )


def sizes_of(sizes: tuple[Size, ...], layers: int | None, width: int | None) -> tuple[Size, ...]:
    """Return the sizes whose networks have the given layers and width."""
    if width is not None:
        no_wider = [item for item in sizes if item.width <= width] or sizes[:1]
        sizes = (replace(no_wider[-1], width=width),)
    return tuple(replace(item, layers=layers or item.layers) for item in sizes)


def worth_measuring(measured: Measurements, data: DataFacts, budget: float, size: Size) -> bool:
    """Return whether a size, larger than the measured ones, may be what the plan chooses."""
    try:
        plan = make_plan(measured, data, budget)
    except UsageError:
        return False
    retraining = plan.stages[-1]
    tiles = retraining.epochs * retraining.steps * plan.size.batch
    slower = size.width / plan.size.width
    enough = tiles >= slower * _wanted_steps(size) * size.batch
    second = len(measured.candidates) == 1  # the smallest is for little time alone
    return plan.size == measured.candidates[-1].size and (enough or second)


@dataclass(frozen=True)
class _Fit:
    """How a size fits."""

    candidate: Candidate
    search: Rounds
    retraining: Rounds


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
    allowed, refused = _allowed(measured.candidates, data, machine.memory)
    reasons += refused
    left = budget * (1 - MARGIN) - measured.seconds
    beside = [_beside(item, data, machine.threads) for item in allowed]
    tried = [_fit(item, data, left - more) for item, more in zip(allowed, beside, strict=True)]
    fits = [fit for fit in tried if fit is not None]
    if not fits:
        least = min((_least(item, data, machine.threads) for item in allowed), default=math.inf)
        total = (least + measured.seconds) / (1 - MARGIN)
        raise too_short(budget, "a decision of the logits in all stages", total)
    enough = [fit for fit in fits if fit.retraining.all_steps >= _wanted_steps(fit.candidate.size)]
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
    stages = [
        stage_plan(name, chosen.candidate, data, chosen.search if number < 3 else chosen.retraining)
        for number, name in enumerate(STAGES)
    ]
    searching = sum(item.seconds for item in stages[:3])
    training = searching + stages[3].seconds
    reasons.append(
        f"search {searching / training:.0%}, retraining {stages[3].seconds / training:.0%}: random "
        "networks were as good as searched ones at equal training, so the search gets a third, or "
        "the least in which its logits decide"
    )
    reasons.append(
        f"logits learn in {chosen.search.logit_steps} steps per stage (at least {LOGIT_STEPS}), "
        f"at rate {stages[0].settings['logit_learning_rate']:g}"
    )
    if not chosen.retraining.whole:
        reasons.append(
            f"an epoch of the retraining shows {chosen.retraining.steps * size.batch} of "
            f"{data.train} tiles, others each time: the time is short for passes over all"
        )
    if data.val < _FEW_TO_VALIDATE:
        reasons.append(
            f"the weights of the last epoch are kept: with {data.val} tiles to validate, the best "
            "epoch is best by chance"
        )
    closing = round(_closing(chosen.candidate, data, machine.threads), 1)
    plan = Plan(
        budget, machine, data, size, chosen.candidate.memory, "quick", tuple(stages), closing,
        measured.seconds, tuple(reasons),
        chosen.candidate.steps, measured.seconds, round(_starting(chosen.candidate), 1),
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
    for item in reversed(allowed):
        found = rounds_within((item.step(stage),), item.size, data, left)
        if found is not None:
            return item.size, stage_plan(stage, item, data, found)
    needed = min((_fewest_seconds(item, (stage,), data) for item in allowed), default=math.inf)
    raise too_short(budget, "a decision of its logits", needed / (1 - MARGIN))


def too_short(budget: float, what: str, least: float) -> UsageError:
    """Return the error of a budget below what is least: seconds, infinite where nothing fits."""
    if math.isinf(least):
        return UsageError("budget=...: no size of network fits into the free memory.")
    return UsageError(
        f"budget={shown_time(budget).replace(' ', '')}: is too short for these tiles on this "
        f"machine; {what} takes {shown_time(least)}.",
        "Give more time, or cut fewer or smaller tiles.",
    )


def stage_plan(stage: str, item: Candidate, data: DataFacts, rounds: Rounds) -> StagePlan:
    """Return the plan of a stage of so many rounds."""
    size = item.size
    settings: dict[str, SettingValue] = {
        "batch": size.batch,
        "crop": size.crop,
        "head": size.head,
        "validate_every": rounds.every,
        "epoch_steps": 0 if rounds.whole else rounds.steps,
    }
    if stage == RETRAINING:
        settings["keep"] = "last" if data.val < _FEW_TO_VALIDATE else "best"
    else:
        low, high = _LOGIT_RATES
        rate = min(max(_LOGIT_WAY / rounds.logit_steps, low), high)
        settings |= {"warmup": WARMUP, "logit_learning_rate": round(rate, 4)}
    seconds = rounds.seconds(item.step(stage), size, data)
    return StagePlan(stage, rounds.epochs, rounds.steps, settings, round(seconds, 1))


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
    """Return the rounds of a size within a time; None if the logits could not decide."""
    steps = [item.step(name) for name in SEARCHES]
    search = rounds_within(steps, item.size, data, SEARCH_SHARE * left)
    if search is None:
        search = fewest(SEARCHES[0], item.size, data)
    searching = sum(search.seconds(step, item.size, data) for step in steps)
    if searching > _MOST_SEARCH_SHARE * left:
        return None
    retraining = rounds_within((item.step(RETRAINING),), item.size, data, left - searching)
    return None if retraining is None else _Fit(item, search, retraining)


def _least(item: Candidate, data: DataFacts, threads: int) -> float:
    """Return the shortest time of a run beside the measuring."""
    search = _fewest_seconds(item, SEARCHES, data)
    retraining = _fewest_seconds(item, (RETRAINING,), data)
    return _beside(item, data, threads) + max(search / _MOST_SEARCH_SHARE, search + retraining)


def _fewest_seconds(item: Candidate, stages: tuple[str, ...], data: DataFacts) -> float:
    found = [(fewest(name, item.size, data), item.step(name)) for name in stages]
    return sum(rounds.seconds(step, item.size, data) for rounds, step in found)


def _beside(item: Candidate, data: DataFacts, threads: int) -> float:
    """Return the time beside measuring and training."""
    return _closing(item, data, threads) + 4 * _starting(item)


def _closing(item: Candidate, data: DataFacts, threads: int) -> float:
    """Return the time of evaluation, references and page."""
    scoring = SCORING * item.step(RETRAINING).weights / item.size.batch
    asked = data.tile_size**2 * (_BY_COLOUR if data.colours else 1.0)
    references = _REFERENCE * asked * data.classes / threads
    return _CLOSING[0] + (_CLOSING[1] + scoring + references) * data.test


def _starting(item: Candidate) -> float:
    """Return the mean time from the end of a stage to the first step of the next."""
    measured = [step.weights + step.full for step in item.steps[1:3]]
    return _STARTING + _TIMED * (sum(measured) + item.step(RETRAINING).full) / 4


def _wanted_steps(size: Size) -> int:
    return round(RETRAIN_STEPS * max(size.width / 16, 1) ** 2)


def _threads_reason(one: float, threads: int) -> str:
    if not one:
        return ""
    if threads == 1:
        return f": all of them take {1 / one:.1f} times as long"
    return f": one alone takes {one:.1f} times as long"
