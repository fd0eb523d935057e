"""Retraining: the derived network from scratch, and its model file."""

import platform
import shlex
from pathlib import Path

import torch

from dnas_cli import __version__
from dnas_cli.console import logger
from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.files import remove_leftovers
from dnas_cli.json_files import read_json
from dnas_cli.model.model_file import Model, ModelFacts, save_model
from dnas_cli.model.provenance import Provenance
from dnas_cli.nets.network import build_derived
from dnas_cli.run.directory import CODINGS, Run, now, open_run
from dnas_cli.run.manifest import StageRecord
from dnas_cli.run.settings import RetrainSettings
from dnas_cli.stages.adopt_architecture import adopt_architecture
from dnas_cli.stages.branch_stage import branch_before
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.epoch_callback import EpochCallbacks
from dnas_cli.stages.fitting_mode import step_size
from dnas_cli.stages.initial_weights import initialise, origin
from dnas_cli.stages.model_weights import ModelWeights, kept_weights
from dnas_cli.stages.new_run import NewRun
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.stages.train_stage import Stage, StageNetwork, TrainedStage, train_stage
from dnas_cli.stages.training_setup import RETRAIN_STREAM, network_shape
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.job import Description
from dnas_cli.training.settings_choice import SettingsChoice


def retrain(
    root: Path,
    choice: SettingsChoice | None = None,
    compute: ComputeOptions | None = None,
    options: StageOptions | None = None,
    architecture: Path | None = None,
    tile_set: Path | None = None,
    on_epoch: EpochCallbacks = (),
    until: int | None = None,
) -> Run:
    """Train the decoded network of a run, and write `model.pt`.

    The model holds the weights of the best epoch on the validation split, of the last one, or the
    average over the last steps.

    Raises:
        RunStateError: There is no architecture yet, or the run is in the way.
    """
    if architecture is None and tile_set is not None:
        raise UsageError("data=...: starts a new run, which also needs architecture=FILE.")
    return train_stage(
        Retraining(architecture, tile_set), root, choice, compute, options, on_epoch, until
    )


class Retraining(Stage[RetrainSettings]):
    """The retraining of a run's architecture."""

    name = "retrain"
    title = "retraining"
    stream = RETRAIN_STREAM
    settings = RetrainSettings

    def __init__(self, architecture: Path | None = None, tile_set: Path | None = None) -> None:
        self.architecture = architecture
        self.tile_set = tile_set

    def open_run(self, root: Path, choice: SettingsChoice, options: StageOptions) -> Run:
        """Return the run with an architecture: its own or an adopted one."""
        if self.architecture is not None:
            if options.branch is not None:
                raise UsageError("architecture=...: starts a run of its own; leave branch=... out.")
            _, width = NewRun(width=int(choice.flags.get("width") or 0) or None).size(choice.preset)
            adopt_architecture(root, self.architecture, self.tile_set, width, options.overwrite)
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
        return run

    def command(self, run: Run) -> str:
        """Return the command line that trains the stage."""
        return f"dnas retrain {shlex.quote(str(run.root))}"

    def is_complete(self, run: Run, record: StageRecord) -> bool:
        """Whether the model is written."""
        return record.finished and run.model_path.is_file()

    def prepare(self, run: Run, settings: RetrainSettings, compute: ComputeOptions) -> bool:
        """Hold the tournament, if one is asked for."""
        from dnas_cli.stages.tournament import hold_tournament  # which retrains, with this module

        return hold_tournament(run, settings, compute, self.command(run) + compute.flags)

    def build(self, run: Run, tiles: TileSet, settings: RetrainSettings) -> StageNetwork:
        """Build the derived network."""
        from dnas_cli.stages.tournament import check_tournament

        check_tournament(run, settings)
        coding = run.trained_architecture()
        shape = network_shape(tiles, settings.width or run.manifest.width, settings)
        network = build_derived(coding, shape)
        initialise(network, run, settings)
        return StageNetwork(network, coding.hash, lambda: Description({}))

    def conclude(self, trained: TrainedStage[RetrainSettings]) -> None:
        """Write the model file."""
        remove_leftovers(trained.run.root, trained.run.model_path.name)
        job, progress, settings = trained.job, trained.progress, trained.settings
        _write_model(trained, kept_weights(job, progress, trained.tiles, settings, trained.device))


def _won(run: Run) -> Provenance:
    """Return what a model file says of the tournament that its architecture won, if any."""
    outcome = read_json(run.outcome_path) if run.outcome_path.is_file() else None
    if outcome is None:
        return {}
    return {"tournament": f"{outcome['winner']}, 1 of {len(outcome['rounds'][0]['val_mean_iou'])}"}


def _write_model(trained: TrainedStage[RetrainSettings], weights: ModelWeights) -> None:
    run, tiles, settings = trained.run, trained.tiles, trained.settings
    architecture = run.trained_architecture()
    provenance: Provenance = {
        "dnas": __version__,
        "torch": str(torch.__version__),  # a subclass of str, which the file may not hold
        "python": platform.python_version(),
        "created": now(),
        "run": run.root.resolve().name,
        "epoch": weights.epoch,
        "averaged": weights.averaged,
        "val_mean_iou": weights.mean_iou,
        "tile_set": tiles.fingerprint,
        **origin(run, settings),
        **_won(run),
    }
    shape = network_shape(tiles, settings.width or run.manifest.width, settings)
    size = step_size(settings, tiles.tile_size)
    facts = ModelFacts.of_tile_set(tiles, shape, size, provenance)
    network = build_derived(architecture, facts.shape)
    network.load_state_dict(weights.state)
    save_model(run.model_path, Model(network, architecture, facts))
    kind = "averaged weights" if weights.averaged else "weights"
    logger.info("%s: written, %s of epoch %d.", run.model_path, kind, weights.epoch)
