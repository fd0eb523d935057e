"""A search or a retraining within a budget: as many epochs as fit, and a size for a new run."""

from dataclasses import replace
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import UsageError
from dnas_cli.planning.budget import budget_seconds
from dnas_cli.planning.make_plan import MARGIN, SEARCH_SHARE, plan_search, too_short
from dnas_cli.planning.measurements import RETRAINING, SEARCHES
from dnas_cli.planning.rounds import MOST_EPOCHS
from dnas_cli.run.directory import is_run, open_run
from dnas_cli.shown_time import shown_time
from dnas_cli.stages.begin_run import new_tile_set
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.dry_run import StageEstimate, estimate_retraining, search_estimates
from dnas_cli.stages.measure_steps import data_facts, measure
from dnas_cli.stages.new_run import NewRun
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.typed_fields import SettingValue


def search_within(
    root: Path,
    stage: int,
    budget: str | float | None,
    choice: SettingsChoice,
    new_run: NewRun,
    compute: ComputeOptions,
    options: StageOptions,
) -> tuple[SettingsChoice, NewRun]:
    """Return the settings with which the search of a stage takes a time.

    A new run without a size, preset or file of settings gets the largest size whose logits decide.

    Args:
        root: The run directory; it need not exist.
        budget: Seconds, or `45m`; None for no change.

    Raises:
        UsageError: The time is too short, or epochs are given as well.
        DnasError: As the search before its start.
    """
    if budget is None or _has_started(root, f"stage{stage}", options):
        return choice, new_run
    seconds, given = budget_seconds(budget), _given(choice)
    free = new_run.layers is None and new_run.width is None
    if stage == 1 and not is_run(root) and free and choice == SettingsChoice(flags=choice.flags):
        tiles, whole = new_tile_set(root, new_run.data), seconds * len(SEARCHES) / SEARCH_SHARE
        measured = measure(None, tiles, whole, compute)
        size, item = plan_search(measured, data_facts(tiles), seconds, SEARCHES[0])
        _log(item.name, item.epochs, item.seconds / item.epochs)
        flags = {**item.settings, **given, "epochs": item.epochs}
        new_run = NewRun(new_run.data, size.layers, size.width)
        return replace(choice, preset="quick", flags=flags), new_run
    estimates = search_estimates(root, stage, choice, new_run, compute, options)
    return _with_epochs(f"stage{stage}", next(estimates), seconds, choice), new_run


def retraining_within(
    root: Path,
    budget: str | float | None,
    choice: SettingsChoice,
    compute: ComputeOptions,
    options: StageOptions,
    architecture: Path | None,
    tile_set: Path | None,
) -> SettingsChoice:
    """Return the settings with which the retraining takes a time, as `search_within`."""
    if budget is None or _has_started(root, RETRAINING, options):
        return choice
    seconds, _ = budget_seconds(budget), _given(choice)
    estimates = estimate_retraining(root, choice, compute, options, architecture, tile_set)
    return _with_epochs(RETRAINING, estimates[0], seconds, choice)


def _has_started(root: Path, stage: str, options: StageOptions) -> bool:
    """Whether a stage has its settings, which stay."""
    if options.extend is not None:
        raise UsageError("budget=...: chooses the epochs of a stage; extend=... adds some.")
    record = None if options.starts_over or not is_run(root) else open_run(root).record(stage)
    started = record is not None and bool(record.settings)
    if started:
        logger.info("%s: %s has started; its epochs stay, whatever the budget.", root, stage)
    return started


def _given(choice: SettingsChoice) -> dict[str, SettingValue]:
    given = {name: value for name, value in choice.flags.items() if value is not None}
    if "epochs" in given:
        raise UsageError(f"epochs={given['epochs']}: budget=... chooses them; give one of the two.")
    return given


def _with_epochs(
    stage: str, estimate: StageEstimate, budget: float, choice: SettingsChoice
) -> SettingsChoice:
    each = estimate.mean_epoch_seconds
    if each is None:
        raise UsageError("budget=...: a step does not fit into the free memory.")
    return replace(choice, flags={**_given(choice), "epochs": _epochs(stage, each, budget)})


def _epochs(stage: str, each: float, budget: float) -> int:
    epochs = min(int(budget * (1 - MARGIN) / each), MOST_EPOCHS[stage])
    if epochs < 1:
        raise too_short(budget, "an epoch", each / (1 - MARGIN))
    _log(stage, epochs, each)
    return epochs


def _log(stage: str, epochs: int, each: float) -> None:
    total = shown_time(epochs * each)
    logger.info("%s: %d epochs, about %s each, %s in all", stage, epochs, shown_time(each), total)
