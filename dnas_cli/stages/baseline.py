"""A baseline for a run: random architectures and standard networks, trained by its own recipe."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dnas_cli.console import logger, progress
from dnas_cli.errors import RunStateError
from dnas_cli.evaluation.baseline_figures import (
    CANDIDATE,
    FOUND,
    RANDOM,
    Member,
    baseline_path,
    read_members,
    write_members,
)
from dnas_cli.evaluation.evaluation import band_positions
from dnas_cli.evaluation.tiles import normalised_batches
from dnas_cli.evaluation.units import drawn_units
from dnas_cli.files import file_hash
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.model_file import load_model
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.network import build_derived
from dnas_cli.run.directory import Run, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.run.manifest import StageRecord
from dnas_cli.run.run_log import logged
from dnas_cli.run.settings import RetrainSettings
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.baseline_options import BaselineOptions
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.equal_networks import cost_of, draw_of_equal_cost, train_apart
from dnas_cli.stages.initial_weights import SCRATCH
from dnas_cli.stages.peers import multiply_accumulates, peer_hash, train_peer
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.settings_choice import SettingsChoice


def baseline(
    root: Path, options: BaselineOptions, compute: ComputeOptions | None = None
) -> tuple[Run, list[Member]]:
    """Train and score networks beside the found one; what is done is not repeated.

    Every network gets the settings, tiles and order of the run's own retraining; only seeds differ.
    Each is a run of its own below `RUN/baseline`, peers are folders of checkpoints; all resume.

    Args:
        root: A run that is retrained.
        options: Which networks, and how many.
        compute: Device, workers and the like.

    Returns:
        The run and its members, the found network first.

    Raises:
        RunStateError: The run is not retrained.
        Interrupted: A signal came; the next call resumes.
    """
    run, compute = open_run(root), compute or ComputeOptions()
    record = _retrained(run)
    tiles = linked_tile_set(run)
    tiles.split(options.split)  # raises where there is none
    with stage_lock(run, "baseline"), logged(run):
        file, members = baseline_path(root), list[Member]()
        known = [member for member in read_members(file) if member.split == options.split]
        for member in _Baseline(run, record, tiles, options, compute, known).members():
            members.append(member)
            if member not in known:
                write_members(file, [*members, *_rest(known, members)])
        write_members(file, members)
    return run, members


def _retrained(run: Run) -> StageRecord:
    record = run.record("retrain")
    if record is None or not record.finished or not record.settings or not run.model_path.is_file():
        raise RunStateError(f"{run.root}: is not retrained here.", f"Run: {run.next_command()}")
    if record.settings.get("init", SCRATCH) != SCRATCH:
        raise RunStateError(
            f"{run.root}: was not trained from scratch, as random architectures have to be.",
            f"Retrain it in a branch: dnas retrain {run.root} --branch NEW_RUN",
        )
    return record


@dataclass(frozen=True)
class _Baseline:
    """A run's baseline in the making; `known` members are scored already."""

    run: Run
    record: StageRecord
    tiles: TileSet
    options: BaselineOptions
    compute: ComputeOptions
    known: list[Member]

    def members(self) -> Iterator[Member]:
        """Yield the members as they are trained and scored."""
        run, first = self.run, int(self.record.settings["seed"])
        seeds = range(first, first + self.options.seeds)
        for name, coding in self._codings().items():
            for seed in seeds:
                path = run.model_path
                if name != FOUND or seed != first:
                    place = run.root / "baseline" / f"{name}-seed-{seed}"
                    settings = self.record.settings | {"seed": seed}
                    path = train_apart(run, place, coding, settings, self.compute).model_path
                yield replace(self._scored(name, seed, path), supernet_mean_iou=coding.score)
        for name in self.options.peer_names:
            for seed in seeds:
                yield self._peer(name, seed)

    def _codings(self) -> dict[str, ArchitectureCoding]:
        run, options = self.run, self.options
        model = load_model(run.model_path, torch.device("cpu"))
        found, size = model.architecture, self.tiles.tile_size
        scored = run.candidates() if options.candidates else []
        own = next((item for item in run.candidates() if item.body() == found.body()), found)
        others = [item for item in scored if item.body() != found.body()][: options.candidates]
        drawn = draw_of_equal_cost(found, model.facts.shape, size, options.random, options.seed)
        return {
            FOUND: own,
            **{f"{CANDIDATE}{number}": coding for number, coding in enumerate(others, 2)},
            **{f"{RANDOM}{number}": coding for number, coding in enumerate(drawn, 1)},
        }

    def _peer(self, name: str, seed: int) -> Member:
        run, tiles, equal = self.run, self.tiles, self.options.equal
        place = run.root / "baseline" / f"{name.replace(':', '-')}-seed-{seed}-equal-{equal}"
        shown = f"{name}, equal {equal}"
        if done := self._known(shown, seed, peer_hash(place)):
            return done
        settings = SettingsChoice().resolve(RetrainSettings, {**self.record.settings, "seed": seed})
        model = load_model(run.model_path, torch.device("cpu"))
        command = f"dnas baseline {shlex.quote(str(run.root))} --peers {name}"
        timed = build_derived(model.architecture, model.facts.shape) if equal == "time" else None
        trained = train_peer(name, place, tiles, settings, self.compute, command, timed)
        network, bands = trained.network, tuple(range(len(tiles.bands)))
        scenes = self._scenes(network, tiles.normalisation, bands, shown)
        cost = multiply_accumulates(network, len(bands), tiles.tile_size)
        return _announced(
            Member(
                shown, seed, self.options.split, _weights(network), cost, trained.mean_iou, scenes,
                trained.hash,
            )
        )  # fmt: skip

    def _known(self, name: str, seed: int, model_hash: str) -> Member | None:
        """Return a member that is scored already."""
        wanted = (name, seed, model_hash)
        return next((m for m in self.known if (m.name, m.seed, m.model_hash) == wanted), None)

    def _scored(self, name: str, seed: int, path: Path) -> Member:
        model_hash = file_hash(path)
        if done := self._known(name, seed, model_hash):
            return done
        model = load_model(path, resolve_device(self.compute.device))
        facts, bands = model.facts, band_positions(model.facts, self.tiles, str(path))
        scenes = self._scenes(fold(model.network), facts.normalisation, bands, name)
        cost = cost_of(model.architecture, facts.shape, self.tiles.tile_size)
        val, weights = facts.provenance.get("val_mean_iou"), _weights(model.network)
        return _announced(
            Member(name, seed, self.options.split, weights, cost, val, scenes, model_hash)
        )

    def _scenes(
        self,
        network: Callable[[Tensor], Tensor],
        normalisation: Normalisation,
        bands: tuple[int, ...],
        name: str,
    ) -> dict[str, ConfusionMatrix]:
        """Return the confusion matrix of each scene of the split, or each tile of its one scene."""
        tiles, split = self.tiles, self.options.split
        refs, device = tiles.split(split), resolve_device(self.compute.device)
        units = drawn_units(tiles, split)
        scenes = {unit: ConfusionMatrix(len(tiles.classes)) for unit in units}
        places = iter(units)
        with progress(f"scoring {name}", len(refs), "tile") as advance:
            for images, labels in normalised_batches(tiles, refs, normalisation, bands, 4):
                with torch.inference_mode():
                    classes = network(images.to(device)).argmax(1).cpu().numpy().astype(np.uint8)
                for label, predicted in zip(labels, classes, strict=True):
                    scenes[next(places)].add(label, predicted)
                advance(len(images))
        return scenes


def _announced(member: Member) -> Member:
    logger.info(
        "%s, seed %d: %s mIoU %.4f", member.name, member.seed, member.split, member.mean_iou
    )
    return member


def _weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _rest(known: list[Member], members: list[Member]) -> list[Member]:
    """Return what is known and not reached yet, so that an interruption loses none of it."""
    done = {(member.name, member.seed) for member in members}
    return [member for member in known if (member.name, member.seed) not in done]
