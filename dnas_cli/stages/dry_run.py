"""A dry run: what the stages of a run will take, estimated and measured without writing."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch

from dnas_cli.console import progress
from dnas_cli.errors import RunStateError
from dnas_cli.nets.device import synchronise
from dnas_cli.nets.network import build_derived
from dnas_cli.nets.step_estimate import StepEstimate
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.run.directory import CODINGS, Run, check_stage
from dnas_cli.run.given_settings import Preset, RunSettings
from dnas_cli.run.manifest import STAGES, StageRecord
from dnas_cli.run.settings import RetrainSettings, SearchSettings, TrainingSettings
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.begin_run import existing_run, linked_tile_set, new_tile_set
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.expected_network import RETRAINING, ExpectedNetwork, expected_network
from dnas_cli.stages.fitting_mode import fits, fitting_step, step_size
from dnas_cli.stages.hold_settings import hold_settings
from dnas_cli.stages.new_run import NewRun, check_size
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.stages.training_setup import check_batch, network_shape, training_steps
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.training.steps import Steps
from dnas_cli.training.time_left import WITH_LOGITS
from dnas_cli.training.torch_errors import explained

_TIMED = 2  # steps, after one for warm-up
_MOST_SECONDS = 4.0  # after which no further step is timed


@dataclass(frozen=True)
class StageEstimate:
    """What one stage will take.

    Attributes:
        name: `stage 1` to `stage 3`, or `retraining`.
        assumed: Assumptions in place of missing codings; empty if none is missing.
        mode: The execution mode.
        batch: Tiles per step.
        size: Side of the tiles or crops, in pixels.
        weight_epochs: First epochs, in which only the weights learn.
        steps: Steps per epoch.
        step: Estimate of a step of the weights.
        weight_seconds: Measured time of a step of the weights; None where none is taken, as the
            free memory is too small.
        full_seconds: The same in later epochs; in a search with a step of the logits.
        loading: Time of loading the tiles of such a step, in this process.
        validated: Batches that are validated per epoch, on average.
    """

    name: str
    assumed: str
    edges: int
    mode: ExecutionMode
    batch: int
    size: int
    epochs: int
    weight_epochs: int
    steps: int
    step: StepEstimate
    weight_seconds: float | None
    full_seconds: float | None
    loading: float
    validated: float

    @property
    def mean_epoch_seconds(self) -> float | None:
        """Mean time of an epoch, with tiles read as without workers, and validations.

        A forward pass takes a third of a step.
        """
        if self.seconds is None or self.weight_seconds is None:
            return None
        validating = self.validated * self.weight_seconds / 3
        return self.seconds / self.epochs + self.steps * self.loading + validating

    @property
    def epoch_seconds(self) -> float | None:
        """Time of a later epoch, without validation."""
        return None if self.full_seconds is None else self.steps * self.full_seconds

    @property
    def seconds(self) -> float | None:
        """Time of all epochs, without validation."""
        if self.weight_seconds is None or self.full_seconds is None:
            return None
        later = self.epochs - self.weight_epochs
        return self.steps * (self.weight_epochs * self.weight_seconds + later * self.full_seconds)


def search_estimates(
    root: Path,
    stage: int,
    choice: SettingsChoice,
    new_run: NewRun,
    compute: ComputeOptions,
    options: StageOptions,
) -> Iterator[StageEstimate]:
    """Estimate the search of a stage and all stages that follow, with the retraining, one by one.

    What is given to stage 1 holds for the later stages and for the retraining.

    Raises:
        DnasError: As the search before its start.
    """
    check_stage(stage)
    run, tiles, layers, width = _begin(root, choice.preset, new_run)
    check_size(layers, width)
    given = run.manifest.settings if run else RunSettings()
    held = hold_settings(given, f"stage{stage}", SearchSettings, choice, options)
    for number in range(stage, RETRAINING):
        name = f"stage{number}"
        record = run.record(name) if run and not options.starts_over else None
        if run and number == stage:
            record = options.extended(run, name, record)
        chosen = choice if number == stage else SettingsChoice()
        chosen = chosen.within(given if number == stage else held, name, SearchSettings)
        settings = chosen.resolve(SearchSettings, record.settings if record else {})
        expected = expected_network(run, layers, number, network_shape(tiles, width, settings))
        yield estimate_stage(f"stage {number}", expected, settings, record, tiles, compute)
    later = SettingsChoice().within(held, STAGES[-1], RetrainSettings)
    retraining = later.resolve(RetrainSettings, {})
    expected = expected_network(run, layers, RETRAINING, network_shape(tiles, width, retraining))
    yield estimate_stage("retraining", expected, retraining, None, tiles, compute)


def estimate_retraining(
    root: Path,
    choice: SettingsChoice,
    compute: ComputeOptions,
    options: StageOptions,
    architecture: Path | None,
    tile_set: Path | None,
) -> list[StageEstimate]:
    """Estimate the retraining of a run, or of an architecture from outside.

    Raises:
        DnasError: As the retraining before its start.
    """
    new_run = NewRun(tile_set, None, int(choice.flags.get("width") or 0) or None)
    run, tiles, layers, width = _begin(root, choice.preset, new_run)
    record = run.record("retrain") if run and not options.starts_over else None
    if run:
        record = options.extended(run, "retrain", record)
    given = run.manifest.settings if run else RunSettings()
    choice = choice.within(given, STAGES[-1], RetrainSettings)
    settings = choice.resolve(RetrainSettings, record.settings if record else {})
    shape = network_shape(tiles, settings.width or width, settings)
    if architecture is not None:
        expected = ExpectedNetwork(build_derived(ArchitectureCoding.read(architecture), shape), "")
    elif run is not None and run.coding_path(CODINGS[3]).is_file():
        expected = expected_network(run, layers, RETRAINING, shape)
    else:
        raise RunStateError(
            f"{root}: has no architecture yet.",
            "To estimate all stages: dnas search RUN --stage 1 --dry-run",
        )
    return [estimate_stage("retraining", expected, settings, record, tiles, compute)]


def _begin(
    root: Path, preset: Preset | None, new_run: NewRun
) -> tuple[Run | None, TileSet, int, int]:
    """Return the run if it exists, its tile set, layers and width."""
    run = existing_run(root, new_run.data)
    if run is not None:
        return run, linked_tile_set(run), run.manifest.layers, run.manifest.width
    return None, new_tile_set(root, new_run.data), *new_run.size(preset)


def estimate_stage(
    name: str,
    expected: ExpectedNetwork,
    settings: TrainingSettings,
    record: StageRecord | None,
    tiles: TileSet,
    compute: ComputeOptions,
    is_worth: Callable[[StepEstimate], bool] = lambda step: True,
) -> StageEstimate:
    """Estimate and measure a stage.

    Args:
        name: In progress.
        record: What is known of it.
        compute: Device and execution mode.
        is_worth: Whether to measure a step that is estimated so.
    """
    device, _ = compute.resolve()
    network = expected.network.to(device)
    check_batch(settings, network, tiles.tile_size)
    size = step_size(settings, tiles.tile_size)
    mode, estimate = fitting_step(network, compute.mode, record, settings, tiles.tile_size, device)
    steps = training_steps(network, tiles, settings, device, 0, mode)
    weight_epochs = settings.weight_epochs if isinstance(settings, SearchSettings) else 0
    extended = record is not None and record.phase == "started" and record.extensions
    added = record.extensions[-1].epochs if record is not None and extended else None
    weights_alone = full = None
    loading = 0.0
    if fits(estimate, device) and is_worth(estimate):
        full, loading = _measured(name, steps, weight_epochs, device)
        weights_alone = _measured(name, steps, 0, device)[0] if weight_epochs else full
    return StageEstimate(
        name=name,
        assumed=expected.assumed,
        edges=len(network.graph.edges),
        mode=mode,
        batch=settings.batch,
        size=size,
        epochs=settings.epochs if added is None else added,
        weight_epochs=weight_epochs if added is None else 0,
        steps=steps.per_epoch,
        step=estimate,
        weight_seconds=weights_alone,
        full_seconds=full,
        loading=loading,
        validated=tiles.count("val") / settings.batch / settings.validate_every,
    )


def measuring_seconds(step: float, kinds: int) -> float:
    """Return how long it takes to measure steps of a stage.

    Args:
        step: Seconds of a step of the weights.
        kinds: 2 in a search, whose steps are measured with and without those of the logits.
    """
    each = (step, step * WITH_LOGITS)[:kinds]
    return sum(min((1 + _TIMED) * item, _MOST_SECONDS + item) for item in each)


def _measured(name: str, steps: Steps, epoch: int, device: torch.device) -> tuple[float, float]:
    """Return the mean time of a step without loading its tiles, and that of loading them."""
    steps.network.train()
    epochs = (steps.batches(epoch, 0) for _ in range(1 + _TIMED))  # one may have a single step
    stream = itertools.chain.from_iterable(epochs)
    loading: list[float] = []
    seconds: list[float] = []
    with progress(f"measuring {name}", 1 + _TIMED) as advance, explained():
        while len(seconds) < 1 + _TIMED and sum(seconds) < _MOST_SECONDS:
            start = time.perf_counter()
            batches = next(stream)
            loading.append(time.perf_counter() - start)
            start = time.perf_counter()
            steps.step(batches, 1e-6)
            synchronise(device)
            seconds.append(time.perf_counter() - start)
            advance(1)
    # The first ones also prepare what all need.
    return fmean(seconds[1:] or seconds), fmean(loading[1:] or loading)
