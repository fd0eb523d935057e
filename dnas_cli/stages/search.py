"""Searching: train a stage's supernet, weights and logits in turn."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.nets.network import Network, build_supernet
from dnas_cli.run.directory import CODINGS, Run, check_stage, is_run, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.stages.branch_stage import branch_before
from dnas_cli.stages.compute_options import (
    ComputeOptions,
    check_batch,
    class_pixels,
    logged,
    network_shape,
    seed_everything,
    validator,
    warn_crop_beyond_tiles,
)
from dnas_cli.stages.encode import check_size, encode, linked_tile_set
from dnas_cli.stages.execution_mode import choose_execution_mode
from dnas_cli.stages.logit_summary import summarise_logits
from dnas_cli.stages.restart import check_restart, complete_restart, start_over
from dnas_cli.stages.stage_options import StageOptions, extensions, started_record
from dnas_cli.training.batches import BatchStream, halves
from dnas_cli.training.interruption import Interruption
from dnas_cli.training.job import Job
from dnas_cli.training.loop import train
from dnas_cli.training.progress import Progress
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.settings import (
    NETWORK_SIZES,
    Preset,
    SearchSettings,
    SettingsChoice,
)
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.steps import SearchSteps
from dnas_cli.training.torch_errors import deterministic


@dataclass(frozen=True)
class NewRun:
    """What a search needs to begin a run by itself.

    Attributes:
        tiles: The tile set.
        layers: Layers of the lattice.
        width: Channels of the finest scale.
    """

    tiles: Path | None = None
    layers: int | None = None
    width: int | None = None


def search(
    root: Path,
    stage: int,
    choice: SettingsChoice | None = None,
    new_run: NewRun | None = None,
    compute: ComputeOptions | None = None,
    options: StageOptions | None = None,
) -> Run:
    """Search a stage of a run to its end, going on where it was interrupted.

    Encodes the stage first when its space is missing and can be derived.

    Args:
        root: The run directory.
        stage: 1, 2 or 3.
        choice: Preset, file and flags that settings come from.
        new_run: Tile set and network size, for stage 1 of a new run.
        compute: Device, workers and the like.
        options: Whether to branch, extend or restart.

    Raises:
        DnasError: See the kinds that encoding, settings and training raise.
    """
    check_stage(stage)
    choice, new_run = choice or SettingsChoice(), new_run or NewRun()
    compute, options = compute or ComputeOptions(), options or StageOptions()
    compute.resolve()  # says what cannot be before anything is written
    if not is_run(root) or options.branch is not None:
        choice.resolve(SearchSettings, {})
    with Interruption() as interruption, deterministic(compute.deterministic):
        if options.branch is not None:
            root = branch_before(open_run(root), options, stage).root
        run = _encoded(root, stage, choice.preset, new_run)
        with stage_lock(run, f"stage{stage}"), logged(run):
            return _searched(run.root, stage, choice, compute, options, interruption)


def _searched(
    root: Path,
    stage: int,
    choice: SettingsChoice,
    compute: ComputeOptions,
    options: StageOptions,
    interruption: Interruption,
) -> Run:
    """Search a stage whose lock is held."""
    run, name = open_run(root), f"stage{stage}"
    device, workers = compute.resolve()
    complete_restart(run, name)
    if options.restart:
        check_restart(run, stage)
    record = None if options.restart else options.extended(run, name, run.record(name))
    settings = choice.resolve(SearchSettings, record.settings if record else {})
    if record is not None and record.finished:
        logger.info("%s: stage %d is searched already.", run.root, stage)
        return run
    space, tiles = run.space(stage), linked_tile_set(run)
    warn_crop_beyond_tiles(settings, tiles.tile_size)
    seed_everything(settings.seed, stage)
    network = build_supernet(space, network_shape(tiles, run.manifest.width)).to(device)
    check_batch(settings, network)
    a, b = halves(tiles.split("train"), settings.seed)
    streams = (
        BatchStream(tiles, a, settings, 0, workers),
        BatchStream(tiles, b, settings, 1, workers),
    )
    schedule = Schedule(settings, extensions(run, record))
    memory = choose_execution_mode(
        network, compute.memory, record, settings, tiles.tile_size, device
    )
    if options.restart:  # only now that the new beginning is known to work
        start_over(run, name)
    _announce(run, stage, network, len(a), len(b), schedule)
    record = started_record(record, settings, memory, choice.preset)
    run.set_record(name, record)
    progress = train(
        Job(
            title=f"stage {stage}",
            steps=SearchSteps(network, streams, settings, device, class_pixels(tiles), memory),
            schedule=schedule,
            files=StageFiles(run.stage_folder(name)),
            identity=space.hash,
            validate=validator(network, tiles, device, settings.batch),
            describe=lambda: summarise_logits(space, network),
            resume_command=f"dnas search {shlex.quote(str(run.root))} --stage {stage}"
            + compute.options,
            on_epoch=lambda done: run.set_record(name, record.with_phase("started", done)),
            interruption=interruption,
            checkpoint_every=60 * compute.checkpoint_every,
            may_back_off=compute.on_divergence == "backoff",
        )
    )
    run.set_record(name, record.with_phase("finished", progress.epoch))
    _conclude(run, stage, progress)
    return run


def _encoded(root: Path, stage: int, preset: Preset, new_run: NewRun) -> Run:
    """Return the run with the stage's space in it, derived now when it is missing."""
    if is_run(root):
        run = open_run(root)
        if run.coding_path(f"stage{stage}").is_file() and new_run == NewRun():
            return run
        if stage > 1 and not run.coding_path(CODINGS[stage - 1]).is_file():
            raise RunStateError(
                f"{root}: stage {stage} builds on the coding of stage {stage - 1}, which is not "
                "there yet.",
                f"Run: {run.next_command()}",
            )
        return encode(root, stage, new_run.tiles, new_run.layers, new_run.width)
    if stage > 1:
        return open_run(root)  # says what is missing
    check_size(new_run.layers, new_run.width)  # 0 is no size, and not "none given"
    size = NETWORK_SIZES[preset]
    layers, width = new_run.layers or size["layers"], new_run.width or size["width"]
    return encode(root, stage, new_run.tiles, layers, width)


def _announce(run: Run, stage: int, network: Network, a: int, b: int, schedule: Schedule) -> None:
    parameters = sum(parameter.numel() for parameter in network.weights())
    logits = network.architecture_logits()
    logger.info(
        "%s: stage %d, %d nodes, %d edges, %.2f M weights, %d logits; %d + %d tiles, %d epochs of "
        "batch %d",
        run.root,
        stage,
        len(network.graph.nodes),
        len(network.graph.edges),
        parameters / 1e6,
        0 if logits is None else logits.numel(),
        a,
        b,
        schedule.epochs,
        schedule.settings.batch,
    )


def _conclude(run: Run, stage: int, progress: Progress) -> None:
    best = ""
    if progress.best_epoch >= 0:
        best = f" (best val mIoU {progress.best_metric:.4f} in epoch {progress.best_epoch + 1})"
    logger.info("%s: stage %d is searched%s.", run.root, stage, best)
    logger.info("Next: dnas decode %s --stage %d", run.root, stage)
