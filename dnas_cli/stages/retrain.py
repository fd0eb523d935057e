"""Retraining: the derived network from scratch, and the model file it ends in."""

import platform
import shlex
from pathlib import Path
from typing import cast

import torch

from dnas_cli import __version__
from dnas_cli.console import logger
from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.files import remove_leftovers
from dnas_cli.model.model_file import Model, ModelFacts, save_model
from dnas_cli.nets.network import Network, build_derived
from dnas_cli.run.directory import CODINGS, Run, is_run, now, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.adopt_architecture import adopt_architecture
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
from dnas_cli.stages.encode import linked_tile_set
from dnas_cli.stages.execution_mode import choose_execution_mode, step_size
from dnas_cli.stages.model_weights import ModelWeights, of_an_epoch, of_the_average
from dnas_cli.stages.restart import complete_restart, start_over
from dnas_cli.stages.stage_options import StageOptions, extensions, started_record
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.batches import BatchStream
from dnas_cli.training.interruption import Interruption
from dnas_cli.training.job import Description, Job
from dnas_cli.training.loop import train
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.settings import (
    NETWORK_SIZES,
    RetrainSettings,
    SettingsChoice,
)
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.steps import WeightSteps
from dnas_cli.training.torch_errors import deterministic

STREAM = 3  # sets the retraining's randomness apart from the searches'


def retrain(
    root: Path,
    choice: SettingsChoice | None = None,
    compute: ComputeOptions | None = None,
    options: StageOptions | None = None,
    architecture: Path | None = None,
    tile_set: Path | None = None,
) -> Run:
    """Train the network that a run was decoded to, and write `model.pt`.

    The model holds the weights of the epoch that was best on the validation split, of the last
    one, or the average over the last steps.

    Args:
        root: The run directory.
        choice: Preset, file and flags that settings come from.
        compute: Device, workers and the like.
        options: Whether to branch, extend or restart.
        architecture: Coding to retrain in a run without searches; begins the run if need be.
        tile_set: The tile set of a run that is begun by this.

    Raises:
        RunStateError: There is no architecture yet, or the run is in the way.
    """
    choice, compute = choice or SettingsChoice(), compute or ComputeOptions()
    options = options or StageOptions()
    compute.resolve()  # says what cannot be before anything is written
    if architecture is None and tile_set is not None:
        raise UsageError("--data begins a new run, which needs --architecture, too.")
    if not is_run(root) or options.branch is not None:
        choice.resolve(RetrainSettings, {})
    with Interruption() as interruption, deterministic(compute.deterministic):
        if architecture is not None:
            _adopt(root, architecture, tile_set, choice, options)
        run = open_run(root)
        if options.branch is not None and (
            options.at_epoch or run.coding_path(CODINGS[3]).is_file()
        ):
            run = branch_before(run, options, 4)
        if not run.coding_path(CODINGS[3]).is_file():
            raise RunStateError(
                f"{root}: has no architecture yet (coding/architecture.json).",
                f"Run: {run.next_command()}",
            )
        with stage_lock(run, "retrain"), logged(run):
            return _retrained(run.root, choice, compute, options, interruption)


def _retrained(
    root: Path,
    choice: SettingsChoice,
    compute: ComputeOptions,
    options: StageOptions,
    interruption: Interruption,
) -> Run:
    """Retrain a run whose lock is held."""
    run = open_run(root)
    device, workers = compute.resolve()
    complete_restart(run, "retrain")
    remove_leftovers(run.root, run.model_path.name)
    record = None if options.restart else options.extended(run, "retrain", run.record("retrain"))
    settings = choice.resolve(RetrainSettings, record.settings if record else {})
    if record is not None and record.finished and run.model_path.is_file():
        logger.info("%s: is retrained already: %s", run.root, run.model_path)
        return run
    coding, tiles = run.architecture(), linked_tile_set(run)
    warn_crop_beyond_tiles(settings, tiles.tile_size)
    seed_everything(settings.seed, STREAM)
    width = settings.width or run.manifest.width
    network = build_derived(coding, network_shape(tiles, width)).to(device)
    check_batch(settings, network)
    stream = BatchStream(tiles, tiles.split("train"), settings, STREAM, workers)
    files = StageFiles(run.stage_folder("retrain"))
    schedule = Schedule(settings, extensions(run, record))
    memory = choose_execution_mode(
        network, compute.memory, record, settings, tiles.tile_size, device
    )
    if options.restart:  # only now that the new beginning is known to work
        start_over(run, "retrain")
    logger.info(
        "%s: retraining %.2f M weights on %d tiles, %d epochs of batch %d",
        run.root,
        sum(parameter.numel() for parameter in network.parameters()) / 1e6,
        len(tiles.split("train")),
        schedule.epochs,
        settings.batch,
    )
    record = started_record(record, settings, memory, choice.preset)
    run.set_record("retrain", record)
    steps = WeightSteps(network, stream, settings, device, class_pixels(tiles), memory)
    resume_command = f"dnas retrain {shlex.quote(str(run.root))}" + compute.options
    progress = train(
        Job(
            title="retraining",
            steps=steps,
            schedule=schedule,
            files=files,
            identity=coding.hash,
            validate=validator(network, tiles, device, settings.batch),
            describe=lambda: Description({}),
            resume_command=resume_command,
            on_epoch=lambda done: run.set_record("retrain", record.with_phase("started", done)),
            interruption=interruption,
            checkpoint_every=60 * compute.checkpoint_every,
            may_back_off=compute.on_divergence == "backoff",
        )
    )
    if steps.average is None:
        weights = of_an_epoch(files, progress, settings.keep)
    else:
        averaged = cast(Network, steps.average.module)
        weights = of_the_average(
            averaged, tiles, settings, device, progress, interruption, resume_command
        )
    size = step_size(settings, tiles.tile_size)
    _write_model(run, coding, tiles, width, size, weights)
    run.set_record("retrain", record.with_phase("finished", progress.epoch))
    logger.info("Next: %s", run.next_command())
    return run


def _adopt(
    root: Path,
    architecture: Path,
    tile_set: Path | None,
    choice: SettingsChoice,
    options: StageOptions,
) -> None:
    if options.branch is not None:
        raise UsageError("--architecture begins a run of its own; leave --branch out.")
    network = NETWORK_SIZES[choice.preset]
    width = choice.flags.get("width") or network["width"]
    adopt_architecture(root, architecture, tile_set, width, options.overwrite)


def _write_model(
    run: Run,
    architecture: ArchitectureCoding,
    tiles: TileSet,
    width: int,
    trained_size: int,
    weights: ModelWeights,
) -> None:
    facts = ModelFacts(
        classes=tiles.classes,
        bands=tiles.bands,
        dtype=tiles.dtype,
        nodata=tiles.nodata,
        normalisation=tiles.normalisation,
        statistics=dict(tiles.statistics),
        tile_size=trained_size,
        width=width,
        provenance={
            "dnas": __version__,
            "torch": str(torch.__version__),  # a class of its own, which the file may not hold
            "python": platform.python_version(),
            "created": now(),
            "run": run.root.resolve().name,
            "epoch": weights.epoch,
            "averaged": weights.averaged,
            "val_mean_iou": weights.mean_iou,
            "tile_set": tiles.fingerprint,
        },
    )
    network = build_derived(architecture, facts.shape)
    network.load_state_dict(weights.state)
    save_model(run.model_path, Model(network, architecture, facts))
    kind = "averaged weights" if weights.averaged else "weights"
    logger.info("%s: written, %s of epoch %d.", run.model_path, kind, weights.epoch)
