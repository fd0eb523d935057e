"""A run: search, decode and retrain, stage by stage."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from dnas_cli.api.path_arguments import AnyPath, AnyRun, Data, options_as, path_of, path_or_none
from dnas_cli.api.scores import evaluate
from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.directory import open_run as open_directory
from dnas_cli.stages.decode_options import DecodeOptions
from dnas_cli.typed_fields import options_of, refuse_unknown

if TYPE_CHECKING:
    from dnas_cli.planning.plan import Plan
    from dnas_cli.run.settings import TrainingSettings
    from dnas_cli.stages.compute_options import ComputeOptions
    from dnas_cli.stages.dry_run import StageEstimate
    from dnas_cli.stages.epoch_callback import OnEpoch
    from dnas_cli.stages.measure import Times
    from dnas_cli.stages.new_run import NewRun
    from dnas_cli.stages.run_pipeline import Step
    from dnas_cli.stages.stage_options import StageOptions
    from dnas_cli.training.settings_choice import SettingsChoice


def open_run(path: AnyPath, data: "Data | None" = None) -> Run:
    """Open a run directory: `history()`, `architecture()`, `next_command()`, `model_path`.

    Args:
        path: The run directory.
        data: Where its tile set is now, if that was moved; the run stores it.

    Raises:
        DataError: It is not a run, is damaged, or `data` is another tile set.
    """
    run, place = open_directory(Path(path)), path_or_none(data)
    if place is not None:
        from dnas_cli.stages.begin_run import relink_tile_set

        relink_tile_set(run, place)
    return run


def encode(
    run: AnyRun,
    stage: int,
    *,
    data: "Data | None" = None,
    layers: int | None = None,
    width: int | None = None,
    overwrite: bool = False,
    branch: AnyPath | None = None,
) -> Run:
    """Write the search space of a stage into a run; stage 1 creates the run.

    Args:
        run: The run.
        stage: 1 path, 2 connections, 3 operators.
        data: Tile set of a new run (stage 1).
        layers: Layers of the lattice (stage 1); 12 when missing.
        width: Channels of the finest scale (stage 1); 40 when missing.
        overwrite: Replace a space that exists.
        branch: A new run that gets the finished stages, to encode there.

    Raises:
        UsageError: A value does not belong to the stage.
        RunStateError: The space exists with other content.
        DataError: The previous coding is missing, or the tile set cannot be used.
    """
    from dnas_cli.stages.encode import encode as encode_stage
    from dnas_cli.stages.new_run import NewRun

    new_run = NewRun(path_or_none(data), layers, width)
    return encode_stage(path_of(run), stage, new_run, overwrite, path_or_none(branch))


def search(
    run: AnyRun,
    stage: int,
    *,
    budget: str | float | None = None,
    on_epoch: "OnEpoch" = (),
    **options: Any,
) -> Run:
    """Search a stage to its end, or resume it where it was interrupted (method, section 6).

    Args:
        run: The run; a new one needs `data`.
        stage: 1 path, 2 connections, 3 operators.
        budget: Time that the stage may take, as seconds or as `45m`, `8h`: measures steps, and
            chooses the epochs; in stage 1 of a new run the size as well, unless it is given.
        on_epoch: Called after each epoch: one function or several.
        options: Fields of `NewRun` (data, layers, width), of `Sources` (preset, recipe, settings),
            of `SearchSettings` (epochs, batch, ...), which go over those, of `ComputeOptions`
            (device, workers, ...) and of `StageOptions` (branch, extend, ...).

    Raises:
        UsageError: A value cannot work.
        RunStateError: The stage exists with other settings, or another process works on it.
        Interrupted: A signal came; the state is saved.
    """
    from dnas_cli.run.settings import SearchSettings
    from dnas_cli.stages.budgeted_stage import search_within
    from dnas_cli.stages.epoch_callback import every
    from dnas_cli.stages.search import search as search_stage

    work = _work(SearchSettings, options, ("new_run", "stage"))
    root = path_of(run)
    choice, new_run = search_within(
        root, stage, budget, work.choice, work.new_run, work.compute, work.stage
    )
    return search_stage(root, stage, choice, new_run, work.compute, work.stage, every(on_epoch))


def decode(run: AnyRun, stage: int | None = None, **options: Unpack[DecodeOptions]) -> Run:
    """Decode a searched stage: the path, the connections, or the architecture.

    Args:
        run: The run.
        stage: 1, 2 or 3; the last one that is searched when missing.
        options: See `DecodeOptions`.

    Returns:
        The run; `coding(stage)` is what was decoded.

    Raises:
        RunStateError: The stage is not searched to its end, or another coding exists.
        UsageError: There is no such epoch.
    """
    from dnas_cli.stages.decode import decode as decode_stage

    root = path_of(run)
    if stage is None:
        opened = open_directory(root)
        records = [(number, opened.record(f"stage{number}")) for number in CODINGS]
        searched = [number for number, record in records if record and record.finished]
        if not searched:
            raise RunStateError(
                f"{root}: no stage is searched to its end.", f"Run: {opened.next_command()}"
            )
        stage = searched[-1]
    return decode_stage(root, stage, options)[0]


def retrain(
    run: AnyRun,
    *,
    architecture: AnyPath | None = None,
    data: "Data | None" = None,
    budget: str | float | None = None,
    on_epoch: "OnEpoch" = (),
    **options: Any,
) -> Run:
    """Train the derived network from scratch, or resume that, and write `run.model_path`.

    Args:
        run: The run.
        architecture: Architecture coding of a run without searches.
        data: Tile set of the run that `architecture` starts.
        budget: Time that it may take, as in `search`.
        on_epoch: Called after each epoch: one function or several.
        options: Fields of `Sources`, `RetrainSettings`, `ComputeOptions` and `StageOptions`, as in
            `search`.

    Raises:
        UsageError: A value cannot work.
        RunStateError: There is no architecture yet, or the run is in the way.
        Interrupted: A signal came; the state is saved.
    """
    from dnas_cli.run.settings import RetrainSettings
    from dnas_cli.stages.budgeted_stage import retraining_within
    from dnas_cli.stages.epoch_callback import every
    from dnas_cli.stages.retrain import retrain as retrain_run

    work, coding = _work(RetrainSettings, options, ("stage",)), path_or_none(architecture)
    root, tile_set = path_of(run), path_or_none(data)
    choice = retraining_within(
        root, budget, work.choice, work.compute, work.stage, coding, tile_set
    )
    return retrain_run(root, choice, work.compute, work.stage, coding, tile_set, every(on_epoch))


def run_pipeline(
    run: AnyRun,
    *,
    retrain_epochs: int | None = None,
    first: "Step" = "1",
    last: "Step" = "eval",
    branch: AnyPath | None = None,
    budget: str | float | None = None,
    on_epoch: "OnEpoch" = (),
    **options: Any,
) -> Run:
    """Search, decode, retrain and evaluate, and write the report; or resume that.

    It is the work of the single functions, to the bit; both can take turns on one run.

    Args:
        run: The run; a new one needs `data`.
        retrain_epochs: Epochs of the retraining; the preset's when missing.
        first: The first step, `1` to `3`, `retrain` or `eval`; the earlier ones must be finished.
        last: The last step.
        branch: A new run that gets the steps before `first`, to continue there.
        budget: Time that all may take, as seconds or as `45m`, `8h`, `3d`: measures steps on this
            machine, and plans sizes and epochs so that all fits; the plan is `plan.json`.
        on_epoch: Called after each epoch: one function or several.
        options: Fields of `NewRun`, `Sources`, `SearchSettings` and `ComputeOptions`, as in
            `search`; settings hold for every stage.

    Returns:
        The run, with `model_path`, figures in `evaluation_folder` and `report.html`.

    Raises:
        UsageError: A value cannot work.
        RunStateError: A stage has other settings, or another process works on it.
        Interrupted: A signal came; the state is saved.
    """
    from dnas_cli.planning.budget import budget_seconds
    from dnas_cli.run.settings import SearchSettings
    from dnas_cli.stages.budgeted_run import close_plan
    from dnas_cli.stages.epoch_callback import every
    from dnas_cli.stages.run_pipeline import PipelineRequest, run_stages

    work = _work(SearchSettings, options, ("new_run",))
    retraining = {} if retrain_epochs is None else {"epochs": retrain_epochs}
    request = PipelineRequest(
        work.choice,
        retraining,
        work.new_run,
        first,
        last,
        path_or_none(branch),
        None if budget is None else budget_seconds(budget),
    )
    done = run_stages(path_of(run), request, work.compute, every(on_epoch))
    if last == "eval":
        ended = time.monotonic()
        _conclude(done, work.compute.device)
        close_plan(done, time.monotonic() - ended)
    return done


def plan(
    run: AnyRun,
    budget: str | float,
    *,
    data: "Data | None" = None,
    layers: int | None = None,
    width: int | None = None,
    **options: Any,
) -> "Plan":
    """Measure training steps on this machine, and plan a run for a time; write nothing.

    Args:
        run: The run; it need not exist.
        budget: As in `run_pipeline`.
        data: Tile set of a new run.
        layers: Of the networks of a new run; chosen without it.
        width: Likewise.
        options: Fields of `ComputeOptions`.

    Raises:
        UsageError: The time is too short; the message names the least.
    """
    from dnas_cli.planning.budget import budget_seconds
    from dnas_cli.stages.budgeted_run import plan_run
    from dnas_cli.stages.compute_options import ComputeOptions
    from dnas_cli.stages.new_run import NewRun

    seconds, compute = budget_seconds(budget), options_as(ComputeOptions, options)
    return plan_run(path_of(run), NewRun(path_or_none(data), layers, width), seconds, compute)


def measure(run: AnyRun, head: int = 256, device: str = "auto") -> "Times":
    """Measure the parts of a run's networks on a device, and keep the times in `times.json`.

    Args:
        run: The run.
        head: Channels of the head.
        device: As in `load_model`.

    Returns:
        Nanoseconds of every operator between scales, and of stem and head together.
    """
    from dnas_cli.stages.measure import measure_run

    return measure_run(path_of(run), head, device)


def write_report(run: AnyRun, out: AnyPath | None = None, device: str = "auto") -> Path:
    """Write a run on one page, whole or half done, and return the page.

    Args:
        run: The run.
        out: The page; `report.html` in the run when missing.
        device: As in `load_model`; some tiles are mapped for the page.
    """
    from dnas_cli.report.page_content import page_content
    from dnas_cli.report.run_page import write_run_page

    opened = open_directory(path_of(run))
    path = opened.root / "report.html" if out is None else Path(out)
    write_run_page(path, opened, page_content(opened, device=device))
    return path


def _conclude(run: Run, device: str) -> None:
    """Score a run's model, if its test split has tiles, and write its page."""
    from dnas_cli.stages.begin_run import linked_tile_set

    if linked_tile_set(run).count("test"):
        outdated = "test" in run.outdated_evaluations()
        evaluate(run, references=True, cost=True, device=device, overwrite=outdated)
    else:
        logger.warning("%s: has no test tiles, so its model is not scored.", run.tile_set_path)
    write_report(run, device=device)


def estimate(
    run: AnyRun, stage: int | None = None, *, budget: str | float | None = None, **options: Any
) -> "list[StageEstimate]":
    """Estimate memory and time of a search and all that follows, and write nothing.

    Args:
        run: The run; it need not exist.
        stage: The first stage; only the retraining when missing.
        budget: Time of this stage, as in `search`.
        options: As `search` takes them, without a stage as `retrain`.

    Raises:
        DnasError: As the search or retraining before its start.
    """
    from dnas_cli.run.settings import RetrainSettings, SearchSettings
    from dnas_cli.stages.budgeted_stage import retraining_within, search_within
    from dnas_cli.stages.dry_run import estimate_retraining, search_estimates

    root = path_of(run)
    if stage is not None:
        work = _work(SearchSettings, options, ("new_run", "stage"))
        choice, new_run = search_within(
            root, stage, budget, work.choice, work.new_run, work.compute, work.stage
        )
        return list(search_estimates(root, stage, choice, new_run, work.compute, work.stage))
    architecture, data = (
        path_or_none(options.pop(name, None)) for name in ("architecture", "data")
    )
    work = _work(RetrainSettings, options, ("stage",))
    choice = retraining_within(
        root, budget, work.choice, work.compute, work.stage, architecture, data
    )
    return estimate_retraining(root, choice, work.compute, work.stage, architecture, data)


@dataclass(frozen=True)
class _Work:
    """What keyword arguments say of a training."""

    choice: "SettingsChoice"
    compute: "ComputeOptions"
    new_run: "NewRun"
    stage: "StageOptions"


def _work(
    settings: "type[TrainingSettings]", options: dict[str, Any], more: tuple[str, ...]
) -> _Work:
    """Divide keyword arguments among settings and their sources, `ComputeOptions` and more."""
    from dnas_cli.run.settings import SearchSettings
    from dnas_cli.stages.compute_options import ComputeOptions
    from dnas_cli.stages.new_run import NewRun
    from dnas_cli.stages.stage_options import StageOptions
    from dnas_cli.training.settings_choice import LOGITS_FROM, SettingsChoice, Sources

    kinds: dict[str, type[Any]] = {"new_run": NewRun, "stage": StageOptions}
    kinds = {"sources": Sources, "compute": ComputeOptions} | {name: kinds[name] for name in more}
    flags = [*options_of(settings), *([LOGITS_FROM] if settings is SearchSettings else [])]
    names = {name: list(options_of(kind)) for name, kind in kinds.items()}
    refuse_unknown(options, [*flags, *(name for group in names.values() for name in group)])
    built = {
        group: options_as(kind, {name: options[name] for name in names[group] if name in options})
        for group, kind in kinds.items()
    }
    sources, given = built["sources"], {name: options[name] for name in flags if name in options}
    return _Work(
        SettingsChoice(sources.preset, sources.settings, given, sources.recipe),
        built["compute"],
        built.get("new_run", NewRun()),
        built.get("stage", StageOptions()),
    )
