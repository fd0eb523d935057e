"""Searching: train a stage's supernet, weights and logits in turn."""

import shlex
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.nets.network import build_supernet
from dnas_cli.run.directory import CODINGS, Run, check_stage, is_run, open_run
from dnas_cli.run.rows import read_rows
from dnas_cli.run.settings import SearchSettings
from dnas_cli.stages.branch_stage import branch_before
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.cost_target import cost_target
from dnas_cli.stages.encode import encode
from dnas_cli.stages.epoch_callback import EpochCallbacks
from dnas_cli.stages.logit_summary import summarise_logits
from dnas_cli.stages.new_run import NewRun
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.stages.train_stage import Stage, StageNetwork, TrainedStage, train_stage
from dnas_cli.stages.training_setup import network_shape
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.cost_penalty import CostPenalty
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.training.stage_files import StageFiles

UNDECIDED = 0.3  # entropy of the logits, as a share of the largest possible


def search(
    root: Path,
    stage: int,
    choice: SettingsChoice | None = None,
    new_run: NewRun | None = None,
    compute: ComputeOptions | None = None,
    options: StageOptions | None = None,
    on_epoch: EpochCallbacks = (),
) -> Run:
    """Search a stage of a run to its end, and resume an interrupted search.

    A missing space is encoded first, if it can be derived.

    Raises:
        DnasError: As encoding, settings and training.
    """
    check_stage(stage)
    return train_stage(Search(stage, new_run), root, choice, compute, options, on_epoch)


class Search(Stage[SearchSettings]):
    """The search of one stage."""

    settings = SearchSettings

    def __init__(self, number: int, new_run: NewRun | None = None) -> None:
        self.number = self.stream = number
        self.name, self.title = f"stage{number}", f"stage {number}"
        self.new_run = new_run or NewRun()

    def open_run(self, root: Path, choice: SettingsChoice, options: StageOptions) -> Run:
        """Return the run with the stage's space, derived now if it is missing."""
        if options.branch is not None:
            root = branch_before(open_run(root), options, self.number).root
        stage, new_run = self.number, self.new_run
        if not is_run(root):
            if stage > 1:
                return open_run(root)  # reports what is missing
            return encode(root, stage, NewRun(new_run.data, *new_run.size(choice.preset)))
        run = open_run(root)
        if run.coding_path(self.name).is_file() and new_run == NewRun():
            return run
        if stage > 1 and not run.coding_path(CODINGS[stage - 1]).is_file():
            raise RunStateError(
                f"{root}: stage {stage} builds on the coding of stage {stage - 1}, which is "
                "missing.",
                f"Run: {run.next_command()}",
            )
        return encode(root, stage, new_run)

    def command(self, run: Run) -> str:
        """Return the command line that trains the stage."""
        return f"dnas search {shlex.quote(str(run.root))} --stage {self.number}"

    def build(self, run: Run, tiles: TileSet, settings: SearchSettings) -> StageNetwork:
        """Build the supernet of the stage's space."""
        space = run.space(self.number)
        network = build_supernet(space, network_shape(tiles, run.manifest.width, settings))
        target = cost_target(run, tiles, settings)
        if target is None:
            return StageNetwork(network, space.hash, lambda: summarise_logits(space, network))
        history = StageFiles(run.stage_folder(self.name)).history
        penalty = CostPenalty(
            space, target.table, target.cost, settings, lambda: read_rows(history)
        )
        return StageNetwork(
            network, space.hash, lambda: summarise_logits(space, network, target.table), penalty
        )

    def conclude(self, trained: TrainedStage[SearchSettings]) -> None:
        """Warn if the logits have not decided."""
        entropy = read_rows(trained.job.files.history)[-1]["entropy"]
        if entropy > UNDECIDED:
            logger.warning(
                "%s: the logits have not decided (entropy %.2f, where 0 is a decision), so that "
                "what they decode to is close to a draw. Choose among candidates with `dnas decode "
                "%s --stage %d --candidates 8`, or search in a branch with more epochs, more "
                "logit steps, a higher learning rate of the logits or a lower logit temperature.",
                self.title,
                entropy,
                shlex.quote(str(trained.run.root)),
                self.number,
            )
