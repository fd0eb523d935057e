"""What the stages of a run will take, told before any is begun; nothing is written."""

import time
from collections.abc import Callable
from pathlib import Path

from dnas_cli.console import progress
from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.nets.device import synchronise
from dnas_cli.nets.network import build_derived
from dnas_cli.nets.step_estimate import estimate_step
from dnas_cli.nets.training_pass.executor import ExecutionMode
from dnas_cli.run.directory import CODINGS, Run, check_stage, is_run, open_run
from dnas_cli.run.manifest import StageRecord
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.compute_options import ComputeOptions, check_batch, class_pixels, network_shape
from dnas_cli.stages.encode import check_size, linked_tile_set
from dnas_cli.stages.execution_mode import choose_execution_mode, fits, kept_copies, step_size
from dnas_cli.stages.expected_network import RETRAINING, ExpectedNetwork, expected_network
from dnas_cli.stages.retrain import STREAM
from dnas_cli.stages.search import NewRun
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.tiles.tile_set import TileSet, open_tile_set
from dnas_cli.training.batches import BatchStream, halves
from dnas_cli.training.settings import (
    NETWORK_SIZES,
    Preset,
    RetrainSettings,
    SearchSettings,
    SettingsChoice,
    TrainingSettings,
)
from dnas_cli.training.stage_plan import StagePlan
from dnas_cli.training.steps import SearchSteps, Steps, WeightSteps
from dnas_cli.training.torch_errors import explained

_TIMED = 2  # steps, after one that warms up


def plan_search(
    root: Path,
    stage: int,
    choice: SettingsChoice,
    new_run: NewRun,
    compute: ComputeOptions,
    options: StageOptions,
) -> list[StagePlan]:
    """Plan a stage of a search and all that follow, retraining too.

    The settings of this stage are taken for later searches as well; retraining takes the preset's,
    with this stage's batch and crop if these were given.

    Args:
        root: The run directory; it need not be there.
        stage: The first stage of the plan.
        choice: Preset, file and flags that settings come from.
        new_run: Tile set and network size where there is no run yet.
        compute: Device and memory.
        options: Whether the stage goes on, or is begun anew by a restart or in a branch.

    Raises:
        DnasError: What the search itself would say before it begins.
    """
    check_stage(stage)
    run, tiles, layers, width = _beginning(root, choice.preset, new_run)
    planner = _Planner(tiles, compute)
    plans = []
    for number in range(stage, RETRAINING):
        record = run.record(f"stage{number}") if run is not None and not options.anew else None
        chosen = choice if number == stage or record is None else SettingsChoice()
        settings = chosen.resolve(SearchSettings, record.settings if record else {})
        ahead = expected_network(run, layers, number, network_shape(tiles, width))
        plans.append(planner.search(number, ahead, settings, record))
    flags = {key: choice.flags.get(key) for key in ("batch", "crop")}
    retraining = SettingsChoice(choice.preset, None, flags).resolve(RetrainSettings, {})
    ahead = expected_network(run, layers, RETRAINING, network_shape(tiles, width))
    return [*plans, planner.retraining(ahead, retraining, None)]


def plan_retraining(
    root: Path,
    choice: SettingsChoice,
    compute: ComputeOptions,
    options: StageOptions,
    architecture: Path | None,
    tile_set: Path | None,
) -> list[StagePlan]:
    """Plan the retraining of a run, or of an architecture from outside.

    Raises:
        DnasError: What the retraining itself would say before it begins.
    """
    new_run = NewRun(tile_set, None, choice.flags.get("width"))
    run, tiles, layers, width = _beginning(root, choice.preset, new_run)
    record = run.record("retrain") if run is not None and not options.anew else None
    settings = choice.resolve(RetrainSettings, record.settings if record else {})
    shape = network_shape(tiles, settings.width or width)
    if architecture is not None:
        ahead = ExpectedNetwork(build_derived(ArchitectureCoding.read(architecture), shape), "")
    elif run is not None and run.coding_path(CODINGS[3]).is_file():
        ahead = expected_network(run, layers, RETRAINING, shape)
    else:
        raise RunStateError(
            f"{root}: has no architecture yet.", "dnas search RUN --stage 1 --dry-run plans it all."
        )
    return [_Planner(tiles, compute).retraining(ahead, settings, record)]


def _beginning(root: Path, preset: Preset, new_run: NewRun) -> tuple[Run | None, TileSet, int, int]:
    """Return the run if there is one, its tile set, layers and width."""
    if is_run(root):
        run = open_run(root)
        return run, linked_tile_set(run), run.manifest.layers, run.manifest.width
    if new_run.tiles is None:
        raise UsageError(
            f"{root}: is no run yet, and its tile set is not named.", "Give it with --data TILES."
        )
    size = NETWORK_SIZES[preset]
    layers, width = new_run.layers or size["layers"], new_run.width or size["width"]
    check_size(layers, width)
    return None, open_tile_set(new_run.tiles), layers, width


class _Planner:
    """Plans stages on a tile set and a device."""

    def __init__(self, tiles: TileSet, compute: ComputeOptions) -> None:
        self._tiles = tiles
        self._execution = compute
        self._device, _ = compute.resolve()
        self._pixels = class_pixels(tiles)

    def search(
        self,
        stage: int,
        ahead: ExpectedNetwork,
        settings: SearchSettings,
        record: StageRecord | None,
    ) -> StagePlan:
        a, b = halves(self._tiles.split("train"), settings.seed)

        def steps(memory: ExecutionMode) -> Steps:
            streams = (
                BatchStream(self._tiles, a, settings, 0, 0),
                BatchStream(self._tiles, b, settings, 1, 0),
            )
            network = ahead.network.to(self._device)
            return SearchSteps(network, streams, settings, self._device, self._pixels, memory)

        return self._plan(f"stage {stage}", ahead, settings, record, steps, settings.logits_from)

    def retraining(
        self, ahead: ExpectedNetwork, settings: RetrainSettings, record: StageRecord | None
    ) -> StagePlan:
        def steps(memory: ExecutionMode) -> Steps:
            stream = BatchStream(self._tiles, self._tiles.split("train"), settings, STREAM, 0)
            network = ahead.network.to(self._device)
            return WeightSteps(network, stream, settings, self._device, self._pixels, memory)

        return self._plan("retraining", ahead, settings, record, steps, 0)

    def _plan(
        self,
        name: str,
        ahead: ExpectedNetwork,
        settings: TrainingSettings,
        record: StageRecord | None,
        make_steps: Callable[[ExecutionMode], Steps],
        weight_epochs: int,
    ) -> StagePlan:
        network, tile_size = ahead.network, self._tiles.tile_size
        check_batch(settings, network)
        memory = choose_execution_mode(
            network, self._execution.memory, record, settings, tile_size, self._device
        )
        size = step_size(settings, tile_size)
        estimate = estimate_step(network, memory, settings.batch, size, kept_copies(settings))
        steps = make_steps(memory)
        alone = both = None
        if fits(estimate, self._device):
            both = self._measured(name, steps, weight_epochs)
            alone = self._measured(name, steps, 0) if weight_epochs else both
        return StagePlan(
            name=name,
            assumed=ahead.assumed,
            edges=len(network.graph.edges),
            memory=memory,
            batch=settings.batch,
            size=size,
            epochs=settings.epochs,
            weight_epochs=weight_epochs,
            steps=steps.per_epoch,
            estimate=estimate,
            weight_seconds=alone,
            both_seconds=both,
        )

    def _measured(self, name: str, steps: Steps, epoch: int) -> float:
        """Return the time of a step, with its tiles at hand: the fastest of a few."""
        batches = next(iter(steps.batches(epoch, 0)))
        steps.network.train()
        seconds = []
        with progress(f"measuring {name}", 1 + _TIMED) as advance, explained():
            for _ in range(1 + _TIMED):
                start = time.perf_counter()
                steps.step(batches, 1e-6)
                synchronise(self._device)
                seconds.append(time.perf_counter() - start)
                advance(1)
        return min(seconds[1:])
