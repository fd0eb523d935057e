"""From what a user asks for to figures: which model, which data, where the figures go."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dnas_cli.errors import DataError, UsageError
from dnas_cli.evaluation.evaluation import (
    Evaluation,
    Subject,
    band_positions,
    evaluate_on_tiles,
)
from dnas_cli.evaluation.folder import open_folder
from dnas_cli.evaluation.scenes import evaluate_scenes
from dnas_cli.evaluation.stored import evaluation_files, stored_evaluation
from dnas_cli.files import file_hash, refuse_existing
from dnas_cli.mapping.mapper import Mapper, MapSettings
from dnas_cli.mapping.views import Views
from dnas_cli.model.cost import timed_cost
from dnas_cli.model.model_file import Model, load_model
from dnas_cli.nets.device import resolve_device
from dnas_cli.run.directory import Run, open_run
from dnas_cli.tiles.dataset_json import is_tile_set, open_tile_set
from dnas_cli.tiles.split_scenes import open_split_scenes
from dnas_cli.tiles.tile_set import TileSet


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate.

    Attributes:
        target: A run directory or a model file.
        data: A tile set or a plain folder; the run's tile set when missing.
        split: Split of a tile set.
        references: Score plain references, too.
        cost: Measure the cost, too.
        scenes: Map and score the whole scenes that the split was cut from, instead of its tiles;
            a plain folder is scored so anyway.
        source: Where these scenes are, if not where they were cut.
        dataset: What a plain folder holds.
        out: Where the figures go; for a run on its own tile set its `eval` folder when missing.
        batch: Tiles or windows per forward pass.
        device: As `resolve_device` takes it.
        overwrite: Replace figures that are there.
        views: Of each tile or window, to average over.
    """

    target: Path
    data: Path | None = None
    split: str = "test"
    references: bool = False
    cost: bool = False
    scenes: bool = False
    source: Path | None = None
    dataset: str | None = None
    out: Path | None = None
    batch: int = 4
    device: str = "auto"
    overwrite: bool = False
    views: Views = "plain"


def evaluate_request(request: EvaluationRequest) -> tuple[Evaluation, Path | None]:
    """Evaluate a model.

    Returns:
        The figures, and the folder they are to be written to; none for printing only.

    Raises:
        UsageError: The request cannot work.
        DataError: Model or data are missing, damaged, or do not fit together.
        RunStateError: There are other figures where these would go.
    """
    device = resolve_device(request.device)
    run = open_run(request.target) if request.target.is_dir() else None
    model_path, data = _model_path(request, run), _data(request, run)
    model = load_model(model_path, device)
    folder = request.out
    if run is not None and request.data is None and folder is None:
        folder = run.evaluation_folder
    if is_tile_set(data, or_unfinished=True):
        return _on_tiles(request, run, model, model_path, data, folder, device), folder
    return _on_folder(request, model, model_path, data, folder, device), folder


def _model_path(request: EvaluationRequest, run: Run | None) -> Path:
    if run is None:
        return request.target
    if not run.model_path.is_file():
        raise DataError(
            f"{run.model_path}: the run has no model yet.", f"Run: {run.next_command()}"
        )
    return run.model_path


def _data(request: EvaluationRequest, run: Run | None) -> Path:
    if request.data is not None:
        return request.data
    if run is None and not request.target.exists():
        raise DataError(f"{request.target}: no such run or model file.")
    if run is None:
        raise UsageError(
            f"{request.target}: a model file alone does not say what to evaluate it on.",
            "Name a tile set, or a folder of images and labels, after it.",
        )
    return run.tile_set_path


def _on_tiles(
    request: EvaluationRequest,
    run: Run | None,
    model: Model,
    model_path: Path,
    data: Path,
    folder: Path | None,
    device: torch.device,
) -> Evaluation:
    tiles = _tile_set(request, run, data)
    subject = Subject(
        model=str(model_path),
        model_hash=file_hash(model_path),
        data=str(data),
        fingerprint=tiles.fingerprint,
        split=request.split,
        items=len(tiles.split(request.split)),
        views=request.views,
    )
    if request.scenes:
        return _on_split_scenes(request, model, subject, tiles, folder, device)
    stored = stored_evaluation(folder, subject, request.overwrite) if folder else None
    return evaluate_on_tiles(
        model, subject, tiles, device, request.batch, stored, request.references, request.cost
    )


def _tile_set(request: EvaluationRequest, run: Run | None, data: Path) -> TileSet:
    if request.dataset is not None:
        raise UsageError(
            "--dataset says what a plain folder holds; a tile set knows that itself.",
            "Leave it out.",
        )
    if request.source is not None and not request.scenes:
        raise UsageError("--source says where whole scenes are.", "Give --scenes, too.")
    tiles = open_tile_set(data)
    if run is not None and request.data is None:
        expected = run.manifest.tile_set.fingerprint
        if tiles.fingerprint != expected:
            raise DataError(
                f"{data}: is not the tile set that {run.root} was trained on; it was changed.",
                f"To evaluate on it all the same: dnas eval {run.root} {data}",
            )
    return tiles


def _on_split_scenes(
    request: EvaluationRequest,
    model: Model,
    of_tiles: Subject,
    tiles: TileSet,
    folder: Path | None,
    device: torch.device,
) -> Evaluation:
    if request.references:
        raise UsageError(
            "--references are scored on tiles, which is other pixels than --scenes.",
            "Leave one of them out.",
        )
    band_positions(model.facts, tiles, of_tiles.model)  # model and data fit together
    scenes = open_split_scenes(tiles, request.split, request.source)
    subject = replace(of_tiles, items=len(scenes.pairs), unit="scene")
    stored = stored_evaluation(folder, subject, request.overwrite) if folder else None
    if stored is None:
        mapper = _mapper(request, model, subject.model_hash, device)
        matrix, scores = evaluate_scenes(mapper, scenes, strict=True)
        stored = Evaluation(subject, tiles.classes, matrix, scenes=scores)
    if request.cost and stored.cost is None:
        stored = replace(stored, cost=timed_cost(model, device))
    return stored


def _on_folder(
    request: EvaluationRequest,
    model: Model,
    model_path: Path,
    data: Path,
    folder: Path | None,
    device: torch.device,
) -> Evaluation:
    if request.references:
        raise UsageError(
            "--references learn from a training split, which a plain folder does not have.",
            "Cut the folder with `dnas tile`, and evaluate on the tile set.",
        )
    if request.source is not None:
        raise UsageError(
            "--source says where the scenes of a tile set are; a plain folder holds them itself.",
            "Leave it out.",
        )
    scenes = open_folder(data, request.dataset, model.facts, str(model_path))
    model_hash = file_hash(model_path)
    if folder is not None:
        # A plain folder has no fingerprint: figures that are there may be of other images.
        for path in evaluation_files(folder, "", "scene").all:
            refuse_existing(path, request.overwrite)
    mapper = _mapper(request, model, model_hash, device)
    matrix, scores = evaluate_scenes(mapper, scenes, strict=False)
    subject = Subject(
        str(model_path), model_hash, str(data), "", "", len(scores), "scene", request.views
    )
    cost = timed_cost(model, device) if request.cost else None
    return Evaluation(subject, model.facts.classes, matrix, cost=cost, scenes=scores)


def _mapper(
    request: EvaluationRequest, model: Model, model_hash: str, device: torch.device
) -> Mapper:
    return Mapper(model, model_hash, device, MapSettings(batch=request.batch, views=request.views))
