"""Training a stage of a run: the steps that searches and the retraining share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Generic

import torch

from dnas_cli.console import logger
from dnas_cli.errors import DataError, UsageError
from dnas_cli.interruption import Interruption
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.planning.plan import read_plan
from dnas_cli.run.command_log import record_command
from dnas_cli.run.directory import Run, is_run, open_run
from dnas_cli.run.given_settings import RunSettings
from dnas_cli.run.history import write_history_table
from dnas_cli.run.lock import stage_lock
from dnas_cli.run.manifest import Extension, StageRecord
from dnas_cli.run.run_log import logged
from dnas_cli.run.settings import Settings
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.epoch_callback import EpochCallbacks, EpochEnd
from dnas_cli.stages.fitting_mode import choose_execution_mode
from dnas_cli.stages.hold_settings import hold_settings
from dnas_cli.stages.restart import check_restart, complete_restart, start_over
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.stages.training_setup import (
    check_batch,
    check_ranks,
    seed_everything,
    shard_threads,
    training_steps,
    warn_crop_beyond_tiles,
)
from dnas_cli.stages.validation import validator
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.cost_penalty import CostPenalty
from dnas_cli.training.job import Description, Job
from dnas_cli.training.loop import train
from dnas_cli.training.progress import Progress
from dnas_cli.training.rank_messages import send
from dnas_cli.training.ranks import computing_threads, joined_ranks
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.torch_errors import deterministic
from dnas_cli.typed_fields import SettingValue


@dataclass(frozen=True)
class StageNetwork:
    """The network that a stage trains.

    Attributes:
        identity: Hash of the space or coding that it is built from.
        describe: Returns facts for the history after an epoch.
        penalty: On the cost of what a search's logits decode to, if any.
    """

    network: Network
    identity: str
    describe: Callable[[], Description]
    penalty: CostPenalty | None = None


@dataclass(frozen=True)
class Part:
    """What another process needs to take part in the training of a stage.

    Attributes:
        run: The run directory.
        stage: `stage1` to `stage3`, or `retrain`.
        settings: Of the stage, as plain data.
        extensions: Of the stage.
        mode: How the network is executed.
        compute: Device, workers and the like.
        threads: On a CPU; 0 for as many as there are.
    """

    run: str
    stage: str
    settings: dict[str, SettingValue]
    extensions: tuple[Extension, ...]
    mode: ExecutionMode
    compute: ComputeOptions
    threads: int


@dataclass(frozen=True)
class TrainedStage(Generic[Settings]):
    """A stage that is trained to its end."""

    run: Run
    tiles: TileSet
    settings: Settings
    device: torch.device
    job: Job
    progress: Progress


class Stage(ABC, Generic[Settings]):
    """The specific part of a stage's training.

    Attributes:
        name: In the run directory: `stage1` to `stage3`, or `retrain`.
        title: In log lines.
        stream: Number that separates the randomness of this stage from that of others.
        command: Its command line, without the run.
    """

    name: str
    title: str
    stream: int
    settings: type[Settings]

    @abstractmethod
    def open_run(self, root: Path, choice: SettingsChoice, options: StageOptions) -> Run:
        """Return the run to train in: created, branched or encoded if needed."""

    @abstractmethod
    def command(self, run: Run) -> str:
        """Return the command line that trains the stage."""

    @abstractmethod
    def build(self, run: Run, tiles: TileSet, settings: Settings) -> StageNetwork:
        """Build the network, on the CPU."""

    def prepare(self, run: Run, settings: Settings, compute: ComputeOptions) -> bool:
        """Do what comes before the training; return whether the network is another one then."""
        return False

    def is_complete(self, run: Run, record: StageRecord) -> bool:
        """Whether nothing is left to do."""
        return record.finished

    def conclude(self, trained: TrainedStage[Settings]) -> None:
        """Write the stage's result, before it is recorded as finished."""


def train_stage(
    stage: Stage[Settings],
    root: Path,
    choice: SettingsChoice | None,
    compute: ComputeOptions | None,
    options: StageOptions | None,
    callbacks: EpochCallbacks = (),
    until: int | None = None,
) -> Run:
    """Train a stage of a run to its end, from its last checkpoint if it has one.

    Raises:
        DnasError: As settings, tile sets and training.
    """
    choice, compute = choice or SettingsChoice(), compute or ComputeOptions()
    options = options or StageOptions()
    compute.resolve()  # refuses what cannot work before anything is written
    if not is_run(root) or options.branch is not None:
        parent = open_run(root).manifest.settings if is_run(root) else RunSettings()
        choice.within(parent, stage.name, stage.settings).resolve(stage.settings, {})
    new = not is_run(root)
    with Interruption() as interruption, deterministic(compute.deterministic):
        run = stage.open_run(root, choice, options)
        try:
            with stage_lock(run, stage.name), logged(run):
                work = open_run(run.root)
                return _train(stage, work, choice, compute, options, interruption, callbacks, until)
        except (UsageError, DataError):
            if new and not any(item.settings for item in open_run(root).manifest.stages.values()):
                logger.warning(
                    "%s: was created and stays, without any training. Correct the command and run "
                    "it again to continue there, with these or other settings.",
                    root,
                )
            raise


def _train(
    stage: Stage[Settings],
    run: Run,
    choice: SettingsChoice,
    compute: ComputeOptions,
    options: StageOptions,
    interruption: Interruption,
    callbacks: EpochCallbacks,
    until: int | None,
) -> Run:
    """Train a locked stage."""
    name, (device, workers) = stage.name, compute.resolve()
    complete_restart(run, name)
    if options.restart:
        check_restart(run, name)
    record = None if options.restart else options.extended(run, name, run.record(name))
    new = record is None or not record.settings
    choice = choice.within(run.manifest.settings, name, stage.settings)
    settings = choice.resolve(stage.settings, record.settings if record else {})
    if record is not None and stage.is_complete(run, record):
        logger.info("%s: %s is finished already.", run.root, stage.title)
        return run
    tiles = linked_tile_set(run)
    warn_crop_beyond_tiles(settings, tiles.tile_size)
    seed_everything(settings.seed, stage.stream)
    built = stage.build(run, tiles, settings)
    network = built.network.to(device)
    check_batch(settings, network, tiles.tile_size)
    check_ranks(settings)
    mode = choose_execution_mode(network, compute.mode, record, settings, tiles.tile_size, device)
    schedule, ranks = Schedule(settings, record.extensions if record else ()), joined_ranks()
    steps = training_steps(network, tiles, settings, device, workers, mode, built.penalty)
    if options.restart:  # only now that the new training is known to work
        steps.close()
        start_over(run, name)
        return _train(stage, run, choice, compute, StageOptions(), interruption, callbacks, until)
    _announce(stage.title, run, network, tiles, schedule)
    threads = compute.threads or shard_threads(settings)
    used = threads or torch.get_num_threads()
    logger.info("%s: device %s, %d threads, memory %s", stage.title, device, used, mode)
    record = StageRecord(
        "started",
        asdict(settings),
        record.epochs_done if record else 0,
        extensions=schedule.extensions,
        memory=mode,
        preset=(record.preset if record else "") or choice.base(),
    )
    held = hold_settings(run.manifest.settings, name, stage.settings, choice, options)
    run.set_record(name, record, held if new else None)
    if stage.prepare(run, settings, compute):  # another network, and where it is by now
        steps.close()
        return _train(stage, run, choice, compute, StageOptions(), interruption, callbacks, until)
    record_command(run, name, "training", record.epochs_done)

    scored: list[ConfusionMatrix] = []  # since the last epoch

    def end_epoch(done: int) -> None:
        write_history_table(run.stage_folder(name))
        run.set_record(name, record.with_phase("started", done))
        end = EpochEnd(run, name, done, tiles.classes, scored[-1] if scored else None)
        scored.clear()
        for callback in callbacks:
            callback(end)

    plan = read_plan(run.root)
    job = Job(
        title=stage.title,
        steps=steps,
        schedule=schedule,
        files=StageFiles(run.stage_folder(name), ranks),
        identity=built.identity,
        validate=validator(network, tiles, device, settings, ranks, scored.append),
        describe=built.describe,
        resume_command=stage.command(run) + compute.flags,
        on_epoch=end_epoch,
        interruption=interruption,
        checkpoint_every=60 * compute.checkpoint_every,
        seconds_after=lambda: None if plan is None else plan.seconds_after(name),
        may_back_off=compute.on_divergence == "backoff",
        ranks=ranks,
        until=until,
    )
    part = Part(
        str(run.root.resolve()),
        name,
        asdict(settings),
        schedule.extensions,
        mode,
        replace(compute, workers=workers),
        threads,
    )
    send(asdict(part))
    with computing_threads(threads):
        progress = train(job)
    write_history_table(run.stage_folder(name))  # killed after the last epoch, it lacks a row
    if until is not None and progress.epoch < schedule.epochs:
        run.set_record(name, record.with_phase("started", progress.epoch))
        return run
    stage.conclude(TrainedStage(run, tiles, settings, device, job, progress))
    run.set_record(name, record.with_phase("finished", progress.epoch))
    best = ""
    if progress.best_epoch >= 0:
        best = f" (best val mIoU {progress.best_metric:.4f} in epoch {progress.best_epoch + 1})"
    logger.info("%s: %s is finished%s.", run.root, stage.title, best)
    logger.info("Next: %s", run.next_command())
    return run


def _announce(title: str, run: Run, network: Network, tiles: TileSet, schedule: Schedule) -> None:
    logits = network.architecture_logits()
    logger.info(
        "%s: %s, %d nodes, %d edges, %.2f M weights%s; %d tiles, %d epochs of batch %d",
        run.root,
        title,
        len(network.graph.nodes),
        len(network.graph.edges),
        sum(parameter.numel() for parameter in network.weights()) / 1e6,
        "" if logits is None else f", {logits.numel()} logits",
        len(tiles.split("train")),
        schedule.epochs,
        schedule.settings.batch,
    )
