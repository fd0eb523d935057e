"""Searching: train a stage's supernet, weights and logits in turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.nets.network import Network, build_supernet
from dnas_cli.run.branch import branch
from dnas_cli.run.directory import CODINGS, Run, check_stage, is_run, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.run.manifest import StageRecord
from dnas_cli.space.coding import Coding, SearchSpace
from dnas_cli.space.decoding import normalised_entropy
from dnas_cli.space.logits import decode, logit_groups, logit_keys
from dnas_cli.stages.encode import encode, linked_tile_set
from dnas_cli.stages.execution import (
    Execution,
    check_training,
    logged,
    network_shape,
    seed_everything,
    validator,
)
from dnas_cli.stages.restart import clear_stage
from dnas_cli.training.batches import BatchStream, halves
from dnas_cli.training.loop import Job, Position, train
from dnas_cli.training.settings import (
    PAPER_NETWORK,
    QUICK_NETWORK,
    Preset,
    SearchSettings,
    resolve,
    settings_to_json,
)
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.steps import SearchSteps


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
    preset: Preset = "paper",
    settings_file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    new_run: NewRun | None = None,
    execution: Execution | None = None,
    overwrite: bool = False,
    branch_to: Path | None = None,
) -> Run:
    """Search a stage of a run to its end, going on where it was interrupted.

    Encodes the stage first when its space is missing and can be derived.

    Args:
        root: The run directory.
        stage: 1, 2 or 3.
        preset: Base of the settings.
        settings_file: YAML file of settings.
        flags: Settings given on the command line; None values were not given.
        new_run: Tile set and network size, for stage 1 of a new run.
        execution: Device and workers.
        overwrite: Start the stage over.
        branch_to: Take over the finished stages into this new run and search there.

    Raises:
        DnasError: See the kinds that encoding, settings and training raise.
    """
    check_stage(stage)
    new_run, execution = new_run or NewRun(), execution or Execution()
    device, workers = execution.resolve()
    if branch_to is not None:
        root = branch(open_run(root), branch_to, stage - 1, stage - 1).root
    run = _encoded(root, stage, preset, new_run)
    name = f"stage{stage}"
    with stage_lock(run, name), logged(run):
        run = open_run(run.root)
        if overwrite:
            clear_stage(run, stage)
        record = run.record(name)
        stored = record.settings if record else {}
        settings = resolve(SearchSettings, preset, settings_file, flags or {}, stored)
        if record is not None and record.finished:
            logger.info("%s: stage %d is searched already.", run.root, stage)
            return run
        space, tiles = run.space(stage), linked_tile_set(run)
        check_training(tiles, settings, global_pool=stage == 3)
        seed_everything(settings.seed, stage)
        network = build_supernet(space, network_shape(tiles, run.manifest.width)).to(device)
        a, b = halves(tiles.split("train"), settings.seed)
        steps = SearchSteps(
            network,
            (
                BatchStream(tiles, a, settings, 0, workers),
                BatchStream(tiles, b, settings, 1, workers),
            ),
            settings,
            device,
        )
        files = StageFiles(run.stage_folder(name))
        _announce(run, stage, network, len(a), len(b), settings)
        run.set_record(name, StageRecord("started", settings_to_json(settings), _done(record)))
        position = train(
            Job(
                title=f"stage {stage}",
                steps=steps,
                settings=settings,
                files=files,
                identity=space.hash,
                validate=validator(network, tiles, device, settings.batch),
                describe=lambda: _describe(space, network),
                resume_command=f"dnas search {run.root} --stage {stage}",
                on_epoch=lambda done: run.set_record(
                    name, StageRecord("started", settings_to_json(settings), done)
                ),
            )
        )
        run.set_record(name, StageRecord("finished", settings_to_json(settings), position.epoch))
        _conclude(run, stage, position)
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
    size = QUICK_NETWORK if preset == "quick" else PAPER_NETWORK
    layers, width = new_run.layers or size["layers"], new_run.width or size["width"]
    return encode(root, stage, new_run.tiles, layers, width)


def _describe(space: SearchSpace, network: Network) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the facts of an epoch for the history, and the logits by key."""
    values = network.architecture_logits()
    assert values is not None
    flat = values.detach().flatten().tolist()
    logits = dict(zip(logit_keys(space), flat, strict=True))
    facts = {
        "entropy": normalised_entropy(logit_groups(space, logits)),
        "decoded": _body(decode(space, logits)),
    }
    return facts, logits


def _body(coding: Coding) -> dict[str, Any]:
    return {key: value for key, value in coding.body().items() if key != "layers"}


def _announce(
    run: Run, stage: int, network: Network, a: int, b: int, settings: SearchSettings
) -> None:
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
        settings.epochs,
        settings.batch,
    )


def _conclude(run: Run, stage: int, position: Position) -> None:
    best = ""
    if position.best_epoch >= 0:
        best = f" (best val mIoU {position.best_metric:.4f} in epoch {position.best_epoch + 1})"
    logger.info("%s: stage %d is searched%s.", run.root, stage, best)
    logger.info("Next: dnas decode %s --stage %d", run.root, stage)


def _done(record: StageRecord | None) -> int:
    return record.epochs_done if record else 0
