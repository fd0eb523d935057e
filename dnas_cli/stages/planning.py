"""What the stages of a run will take, told before any is begun; nothing is written."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from dnas_cli.console import progress
from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.nets.device import free_memory, synchronise
from dnas_cli.nets.estimates import StepEstimate, estimate_step
from dnas_cli.nets.execution import Memory
from dnas_cli.nets.network import build_derived
from dnas_cli.run.directory import CODINGS, Run, check_stage, is_run, open_run
from dnas_cli.run.manifest import StageRecord
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.ahead import RETRAINING, Ahead, network_ahead
from dnas_cli.stages.encode import check_size, linked_tile_set
from dnas_cli.stages.execution import Execution, check_batch, class_pixels, network_shape
from dnas_cli.stages.memory import choose_memory, needed_memory, step_size
from dnas_cli.stages.retrain import STREAM
from dnas_cli.stages.search import NewRun
from dnas_cli.tiles.tile_set import TileSet, open_tile_set
from dnas_cli.training.batches import BatchStream, halves
from dnas_cli.training.failures import explained
from dnas_cli.training.settings import (
    PAPER_NETWORK,
    QUICK_NETWORK,
    Preset,
    RetrainSettings,
    SearchSettings,
    SettingsChoice,
    TrainingSettings,
)
from dnas_cli.training.steps import SearchSteps, Steps, WeightSteps

_TIMED = 2  # steps, after one that warms up


@dataclass(frozen=True)
class StagePlan:
    """What one stage will take.

    Attributes:
        name: `stage 1` to `stage 3`, or `retraining`.
        assumed: What stands for codings that are not there yet; empty where they all are.
        edges: Edges of the network.
        memory: How it will be executed.
        batch: Tiles per step.
        size: Side of what a step trains on, in pixels.
        epochs: Epochs.
        weight_epochs: Epochs at the beginning in which only the weights learn.
        steps: Steps per epoch.
        estimate: Of a step of the weights.
        fits: Whether that fits in the memory that is free.
        weight_seconds: Measured time of a step of the weights; None where it does not fit.
        both_seconds: The same of a step of the weights with one of the logits after it.
    """

    name: str
    assumed: str
    edges: int
    memory: Memory
    batch: int
    size: int
    epochs: int
    weight_epochs: int
    steps: int
    estimate: StepEstimate
    fits: bool
    weight_seconds: float | None = None
    both_seconds: float | None = None

    @property
    def epoch_seconds(self) -> float | None:
        """Time of a later epoch, in which all learn that shall; validation is left out."""
        return None if self.both_seconds is None else self.steps * self.both_seconds

    @property
    def seconds(self) -> float | None:
        """Time of all epochs; validation is left out."""
        if self.weight_seconds is None or self.both_seconds is None:
            return None
        later = self.epochs - self.weight_epochs
        return self.steps * (self.weight_epochs * self.weight_seconds + later * self.both_seconds)


def plan_search(
    root: Path, stage: int, choice: SettingsChoice, new_run: NewRun, execution: Execution
) -> list[StagePlan]:
    """Plan a stage of a search and all that follow, retraining too.

    The settings of this stage are taken for later searches as well; retraining takes the preset's,
    with this stage's batch and crop if these were given.

    Args:
        root: The run directory; it need not be there.
        stage: The first stage of the plan.
        choice: Preset, file and flags that settings come from.
        new_run: Tile set and network size where there is no run yet.
        execution: Device and memory.

    Raises:
        DnasError: What the search itself would say before it begins.
    """
    check_stage(stage)
    run, tiles, layers, width = _beginning(root, choice.preset, new_run)
    planner = _Planner(tiles, execution)
    plans = []
    for number in range(stage, RETRAINING):
        record = run.record(f"stage{number}") if run is not None else None
        chosen = choice if number == stage or record is None else SettingsChoice()
        settings = chosen.resolve(SearchSettings, record.settings if record else {})
        ahead = network_ahead(run, layers, number, network_shape(tiles, width))
        plans.append(planner.search(number, ahead, settings, record))
    flags = {key: choice.flags.get(key) for key in ("batch", "crop")}
    retraining = SettingsChoice(choice.preset, None, flags).resolve(RetrainSettings, {})
    ahead = network_ahead(run, layers, RETRAINING, network_shape(tiles, width))
    return [*plans, planner.retraining(ahead, retraining, None)]


def plan_retraining(
    root: Path,
    choice: SettingsChoice,
    execution: Execution,
    architecture: Path | None,
    tile_set: Path | None,
) -> list[StagePlan]:
    """Plan the retraining of a run, or of an architecture from outside.

    Raises:
        DnasError: What the retraining itself would say before it begins.
    """
    new_run = NewRun(tile_set, None, choice.flags.get("width"))
    run, tiles, layers, width = _beginning(root, choice.preset, new_run)
    record = run.record("retrain") if run is not None else None
    settings = choice.resolve(RetrainSettings, record.settings if record else {})
    shape = network_shape(tiles, settings.width or width)
    if architecture is not None:
        ahead = Ahead(build_derived(ArchitectureCoding.read(architecture), shape), "")
    elif run is not None and run.coding_path(CODINGS[3]).is_file():
        ahead = network_ahead(run, layers, RETRAINING, shape)
    else:
        raise RunStateError(
            f"{root}: has no architecture yet.", "dnas search RUN --stage 1 --dry-run plans it all."
        )
    return [_Planner(tiles, execution).retraining(ahead, settings, record)]


def _beginning(root: Path, preset: Preset, new_run: NewRun) -> tuple[Run | None, TileSet, int, int]:
    """Return the run if there is one, its tile set, layers and width."""
    if is_run(root):
        run = open_run(root)
        return run, linked_tile_set(run), run.manifest.layers, run.manifest.width
    if new_run.tiles is None:
        raise UsageError(
            f"{root}: is no run yet, and its tile set is not named.", "Give it with --data TILES."
        )
    size = QUICK_NETWORK if preset == "quick" else PAPER_NETWORK
    layers, width = new_run.layers or size["layers"], new_run.width or size["width"]
    check_size(layers, width)
    return None, open_tile_set(new_run.tiles), layers, width


class _Planner:
    """Plans stages on a tile set and a device."""

    def __init__(self, tiles: TileSet, execution: Execution) -> None:
        self._tiles = tiles
        self._execution = execution
        self._device, _ = execution.resolve()
        self._pixels = class_pixels(tiles)

    def search(
        self, stage: int, ahead: Ahead, settings: SearchSettings, record: StageRecord | None
    ) -> StagePlan:
        check_batch(settings, global_pool=stage == 3)
        plan = self._plan(f"stage {stage}", ahead, settings, record)
        a, b = halves(self._tiles.split("train"), settings.seed)
        steps = SearchSteps(
            ahead.network.to(self._device),
            (
                BatchStream(self._tiles, a, settings, 0, 0),
                BatchStream(self._tiles, b, settings, 1, 0),
            ),
            settings,
            self._device,
            self._pixels,
            plan.memory,
        )
        plan = replace(plan, steps=steps.per_epoch, weight_epochs=settings.logits_from)
        if not plan.fits:
            return plan
        alone = self._measured(plan.name, steps, 0) if settings.logits_from else 0.0
        both = self._measured(plan.name, steps, settings.logits_from)
        return replace(plan, weight_seconds=alone, both_seconds=both)

    def retraining(
        self, ahead: Ahead, settings: RetrainSettings, record: StageRecord | None
    ) -> StagePlan:
        plan = self._plan("retraining", ahead, settings, record)
        train = self._tiles.split("train")
        steps = WeightSteps(
            ahead.network.to(self._device),
            BatchStream(self._tiles, train, settings, STREAM, 0),
            settings,
            self._device,
            self._pixels,
            plan.memory,
        )
        plan = replace(plan, steps=steps.per_epoch)
        if not plan.fits:
            return plan
        seconds = self._measured(plan.name, steps, 0)
        return replace(plan, weight_seconds=seconds, both_seconds=seconds)

    def _plan(
        self, name: str, ahead: Ahead, settings: TrainingSettings, record: StageRecord | None
    ) -> StagePlan:
        network, size = ahead.network, step_size(settings, self._tiles.tile_size)
        choice = self._execution.memory
        memory = choose_memory(
            network, choice, record, settings, self._tiles.tile_size, self._device
        )
        estimate, free = (
            estimate_step(network, memory, settings.batch, size),
            free_memory(self._device),
        )
        return StagePlan(
            name,
            ahead.assumed,
            len(network.graph.edges),
            memory,
            settings.batch,
            size,
            settings.epochs,
            0,
            0,
            estimate,
            free is None or needed_memory(estimate) <= free,
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
