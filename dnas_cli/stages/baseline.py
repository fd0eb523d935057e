"""A baseline for a run: random architectures of its space, trained by its own recipe."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from dnas_cli.console import logger, progress
from dnas_cli.errors import RunStateError
from dnas_cli.evaluation.baseline_figures import (
    FOUND,
    Member,
    baseline_path,
    read_members,
    write_members,
)
from dnas_cli.evaluation.evaluation import band_positions
from dnas_cli.evaluation.tiles import normalised_batches
from dnas_cli.files import file_hash
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.model_file import Model, load_model
from dnas_cli.nets.cost import count_coding
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.network import NetworkShape
from dnas_cli.run.directory import Run, open_run
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.random_architectures import random_architectures
from dnas_cli.stages.baseline_options import BaselineOptions
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.initial_weights import SCRATCH
from dnas_cli.stages.retrain import retrain
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.settings_choice import SettingsChoice

_NEAR = 0.05  # of the found network's multiply-accumulates
_MOST_DRAWS = 3000


def baseline(
    root: Path, options: BaselineOptions, compute: ComputeOptions | None = None
) -> tuple[Run, list[Member]]:
    """Train and score random architectures beside the found one; what is done is not repeated.

    Every network gets the settings, tiles and order of the run's own retraining; only seeds differ.
    Each is a run of its own below `RUN/baseline`, and resumes like any.

    Args:
        root: A run that is retrained.
        options: How many networks.
        compute: Device, workers and the like.

    Returns:
        The run and its members, the found network first.

    Raises:
        RunStateError: The run is not retrained.
        Interrupted: A signal came; the next call resumes.
    """
    run, compute = open_run(root), compute or ComputeOptions()
    record = run.record("retrain")
    if record is None or not record.finished or not record.settings or not run.model_path.is_file():
        raise RunStateError(f"{root}: is not retrained here.", f"Run: {run.next_command()}")
    if record.settings.get("init", SCRATCH) != SCRATCH:
        raise RunStateError(
            f"{root}: was not trained from scratch, as random architectures have to be.",
            f"Retrain it in a branch: dnas retrain {root} --branch NEW_RUN",
        )
    tiles, folder = linked_tile_set(run), root / "baseline"
    tiles.split(options.split)  # raises where there is none
    model = load_model(run.model_path, torch.device("cpu"))
    codings = {FOUND: model.architecture}
    drawn = _of_equal_cost(model, tiles, options)
    codings |= {f"random-{number}": coding for number, coding in enumerate(drawn, 1)}
    file, members = baseline_path(root), list[Member]()
    known = [member for member in read_members(file) if member.split == options.split]
    first = int(record.settings["seed"])
    for name, coding in codings.items():
        for seed in range(first, first + options.seeds):
            own = seed == first and name == FOUND
            path = run.model_path
            if not own:
                place = folder / f"{name}-seed-{seed}"
                path = _trained(run, place, coding, record.settings | {"seed": seed}, compute)
            members.append(_scored(name, seed, path, tiles, options.split, compute, known))
            write_members(file, [*members, *_rest(known, members)])
    write_members(file, members)
    return run, members


def _of_equal_cost(
    model: Model, tiles: TileSet, options: BaselineOptions
) -> Iterator[ArchitectureCoding]:
    """Yield random architectures that cost within 5 % of what the model does.

    Raises:
        RunStateError: There are hardly any.
    """
    size, shape = tiles.tile_size, model.facts.shape
    wanted = _cost(model.architecture, shape, size)
    source = random_architectures(model.architecture.graph.layers, options.seed)
    found: list[ArchitectureCoding] = []
    with progress("random architectures", options.random) as advance:
        for coding in itertools.islice(source, _MOST_DRAWS):
            near = abs(_cost(coding, shape, size) / wanted - 1) <= _NEAR
            if near and coding not in found and coding.body() != model.architecture.body():
                found.append(coding)
                advance(1)
            if len(found) == options.random:
                return iter(found)
    raise RunStateError(
        f"only {len(found)} of {_MOST_DRAWS:,} random architectures cost about as much as the "
        f"found one ({wanted / 1e9:.2f} G multiply-accumulates).",
        f"Give random={len(found)}." if found else "",
    )


def _cost(coding: ArchitectureCoding, shape: NetworkShape, size: int) -> int:
    return count_coding(coding, shape, size, size).multiply_accumulates


def _trained(
    run: Run,
    place: Path,
    coding: ArchitectureCoding,
    settings: dict[str, Any],
    compute: ComputeOptions,
) -> Path:
    """Train an architecture in a run of its own and return its model."""
    file = place.parent / "codings" / f"{place.name}.json"
    if not file.is_file():
        coding.write(file)
    flags = settings | {"width": settings.get("width") or run.manifest.width}
    choice = SettingsChoice(flags=flags)
    return retrain(place, choice, compute, architecture=file, tile_set=run.tile_set_path).model_path


def _scored(
    name: str,
    seed: int,
    path: Path,
    tiles: TileSet,
    split: str,
    compute: ComputeOptions,
    known: list[Member],
) -> Member:
    model_hash = file_hash(path)
    for member in known:
        if (member.name, member.seed, member.model_hash) == (name, seed, model_hash):
            return member
    device = resolve_device(compute.device)
    model = load_model(path, device)
    bands = band_positions(model.facts, tiles, str(path))
    refs, network = tiles.split(split), fold(model.network)
    scenes = {scene: ConfusionMatrix(len(tiles.classes)) for scene in tiles.scenes(split)}
    places = iter(refs)
    with progress(f"scoring {name}, seed {seed}", len(refs), "tile") as advance:
        by = model.facts.normalisation
        for images, labels in normalised_batches(tiles, refs, by, bands, 4):
            with torch.inference_mode():
                classes = network(images.to(device)).argmax(1).to(torch.uint8).cpu().numpy()
            for label, predicted in zip(labels, classes, strict=True):
                scenes[next(places).scene].add(label, predicted)
            advance(len(images))
    member = Member(
        name,
        seed,
        split,
        sum(parameter.numel() for parameter in model.network.parameters()),
        _cost(model.architecture, model.facts.shape, tiles.tile_size),
        model.facts.provenance.get("val_mean_iou"),
        scenes,
        model_hash,
    )
    logger.info("%s, seed %d: %s mIoU %.4f", name, seed, split, member.mean_iou)
    return member


def _rest(known: list[Member], members: list[Member]) -> list[Member]:
    """Return what is known and not reached yet, so that an interruption loses none of it."""
    done = {(member.name, member.seed) for member in members}
    return [member for member in known if (member.name, member.seed) not in done]
