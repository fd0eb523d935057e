"""From what a user asks for to figures: which model, which data, where the figures go."""

from dataclasses import replace
from pathlib import Path

from dnas_cli.datasets.discovery import LabelledScenes
from dnas_cli.errors import DataError, UsageError
from dnas_cli.evaluation.evaluation import (
    Evaluation,
    Subject,
    band_positions,
    confusion_on_tiles,
    evaluate_on_tiles,
)
from dnas_cli.evaluation.evaluation_options import EvaluationOptions
from dnas_cli.evaluation.folder import open_folder
from dnas_cli.evaluation.scene_maps import OnLook, SceneMaps
from dnas_cli.evaluation.scenes import SceneScore, evaluate_scenes
from dnas_cli.evaluation.shards import Scores, merged
from dnas_cli.evaluation.stored import evaluation_files, stored_evaluation
from dnas_cli.file_kinds import refuse_swapped
from dnas_cli.files import refuse_existing
from dnas_cli.mapping.mapper import Mapper, MapSettings, load_mapper
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.cost import timed_cost
from dnas_cli.model.model_file import Model
from dnas_cli.nets.device import resolve_device
from dnas_cli.run.directory import Run, open_run
from dnas_cli.shard import parse_shard
from dnas_cli.tiles.dataset_json import is_tile_set, open_tile_set
from dnas_cli.tiles.split_scenes import open_split_scenes
from dnas_cli.tiles.tile_set import TileSet


def evaluate_model(
    target: Path | Mapper,
    given: Path | None,
    options: EvaluationOptions,
    on_look: OnLook | None = None,
) -> tuple[Evaluation, Path | None]:
    """Evaluate a model, and write the maps of its scenes where they are wanted.

    Args:
        target: A run directory, a model file, or a model that is loaded already.
        given: A tile set or a plain folder; the run's tile set when missing.
        options: All of them. For a run on its own tile set figures go to its `eval` folder when
            no other is named; a loaded model stays on its device.
        on_look: Makes the panel of each scene that is mapped.

    Returns:
        The figures with the files of maps, and the folder they are to be written to; none for
        printing only.

    Raises:
        UsageError: The request cannot work.
        DataError: Model or data are missing, damaged, or do not fit together.
        RunStateError: There are other figures where these would go.
        OtherShardsMissing: Others are to be scored before there are figures.
    """
    run = None
    if isinstance(target, Path):
        refuse_swapped(target, given)
        resolve_device(options["device"])  # refuses what cannot work before anything is read
        run = open_run(target) if target.is_dir() else None
    data, own = given or _own_data(target, run), run if given is None else None
    settings = MapSettings(batch=options["batch"], views=options["views"])
    if isinstance(target, Path):
        mapper = load_mapper(_model_path(target, run), options["device"], settings)
    else:
        mapper = replace(target, settings=settings)
    folder = own.evaluation_folder if own and options["out"] is None else options["out"]
    folder = None if folder is None else Path(folder)
    shard = parse_shard(options["shard"])
    if folder is None and not shard.is_all:
        raise UsageError(f"shard={shard}: needs a folder for the scores.", "Give out=DIR.")
    facts, place = mapper.model.facts, options["maps"]
    maps = None
    if place is not None:
        if not shard.is_all:
            raise UsageError("maps=...: the worst of all scenes are shown.", "Give shard=1/1.")
        maps = SceneMaps(Path(place), facts.classes, facts.tile_size, on_look)
    if is_tile_set(data, or_unfinished=True):
        return _on_tiles(options, own, mapper, data, folder, maps), folder
    return _on_folder(options, mapper, data, folder, maps), folder


def _model_path(target: Path, run: Run | None) -> Path:
    if run is None:
        return target
    if not run.model_path.is_file():
        raise DataError(
            f"{run.model_path}: the run has no model yet.", f"Run: {run.next_command()}"
        )
    return run.model_path


def _own_data(target: Path | Mapper, run: Run | None) -> Path:
    if isinstance(target, Path) and not target.exists():
        raise DataError(f"{target}: no such run or model file.")
    if run is None:
        name = target if isinstance(target, Path) else target.path
        raise UsageError(
            f"{name}: a model file alone does not say what to evaluate it on.",
            "Name a tile set, or a folder of images and labels, after it.",
        )
    return run.tile_set_path


def _on_tiles(
    options: EvaluationOptions,
    run: Run | None,
    mapper: Mapper,
    data: Path,
    folder: Path | None,
    maps: SceneMaps | None,
) -> Evaluation:
    tiles = _tile_set(options, run, data)
    subject = Subject(
        model=mapper.path,
        model_hash=mapper.model_id,
        data=str(data),
        fingerprint=tiles.fingerprint,
        split=options["split"],
        items=len(tiles.split(options["split"])),
        views=options["views"],
    )
    if options["scenes"] or maps is not None:
        return _on_split_scenes(options, mapper, subject, tiles, folder, maps)
    stored = stored_evaluation(folder, subject, options["overwrite"]) if folder else None
    model, matrix, shard = _network_of(mapper), None, parse_shard(options["shard"])
    if stored is None and folder is not None and not shard.is_all:
        refs, size = tiles.split(options["split"]), options["batch"]
        # Whole batches: a network may round by how many tiles it gets at once.
        batches = [refs[start : start + size] for start in range(0, len(refs), size)]
        own = [ref for batch in shard.of(batches) for ref in batch]
        part = confusion_on_tiles(model, subject, tiles, mapper.device, size, own)
        matrix = merged(folder, subject, shard, Scores(part), {}).matrix
    return evaluate_on_tiles(
        model,
        subject,
        tiles,
        mapper.device,
        options["batch"],
        stored,
        options["references"],
        options["cost"],
        matrix,
    )


def _tile_set(options: EvaluationOptions, run: Run | None, data: Path) -> TileSet:
    if options["dataset"] is not None:
        raise UsageError(
            "dataset=...: says what a plain folder holds; a tile set knows that itself.",
            "Leave it out.",
        )
    if options["source"] is not None and not (options["scenes"] or options["maps"]):
        raise UsageError("source=...: says where whole scenes are.", "Give scenes=True as well.")
    tiles = open_tile_set(data)
    if run is not None:
        expected = run.manifest.tile_set.fingerprint
        if tiles.fingerprint != expected:
            raise DataError(
                f"{data}: is not the tile set that {run.root} was trained on; it was changed.",
                f"To evaluate on it all the same: dnas eval {run.root} {data}",
            )
    return tiles


def _on_split_scenes(
    options: EvaluationOptions,
    mapper: Mapper,
    of_tiles: Subject,
    tiles: TileSet,
    folder: Path | None,
    maps: SceneMaps | None,
) -> Evaluation:
    if options["references"]:
        raise UsageError(
            "references=True: they are scored on tiles, which are other pixels than scenes=True.",
            "Leave one of them out.",
        )
    band_positions(mapper.model.facts, tiles, of_tiles.model)  # model and data fit together
    scenes = open_split_scenes(
        tiles, options["split"], None if options["source"] is None else Path(options["source"])
    )
    subject = replace(of_tiles, items=len(scenes.pairs), unit="scene")
    stored = stored_evaluation(folder, subject, options["overwrite"]) if folder else None
    if stored is None or maps is not None:
        matrix, scores = _scored(options, mapper, scenes, subject, folder, maps)
        stored = stored or Evaluation(subject, tiles.classes, matrix, scenes=scores)
    if options["cost"] and stored.cost is None:
        stored = replace(stored, cost=timed_cost(_network_of(mapper), mapper.device))
    return replace(stored, files=tuple(maps.files) if maps else ())


def _scored(
    options: EvaluationOptions,
    mapper: Mapper,
    scenes: LabelledScenes,
    subject: Subject,
    folder: Path | None,
    maps: SceneMaps | None,
) -> tuple[ConfusionMatrix, tuple[SceneScore, ...]]:
    """Score this shard of the scenes, and return the scores of all; those of a split must do.

    Maps are written where they are wanted.
    """
    if maps is not None:
        maps.refuse_existing([pair.key for pair in scenes.pairs], options["overwrite"])
    shard = parse_shard(options["shard"])
    own = replace(scenes, pairs=tuple(shard.of(scenes.pairs)))
    matrix, scores = evaluate_scenes(mapper, own, bool(subject.split), maps)
    if folder is not None and not shard.is_all:
        order = {pair.key: place for place, pair in enumerate(scenes.pairs)}
        of_all = merged(folder, subject, shard, Scores(matrix, scores), order)
        matrix, scores = of_all.matrix, of_all.scenes
    if not scores:
        raise DataError(f"{scenes.root}: none of the {len(scenes.pairs)} images can be used.")
    if maps is not None:
        maps.write_worst()
    return matrix, scores


def _on_folder(
    options: EvaluationOptions,
    mapper: Mapper,
    data: Path,
    folder: Path | None,
    maps: SceneMaps | None,
) -> Evaluation:
    if options["references"]:
        raise UsageError(
            "references=True: they learn from a training split, which a plain folder lacks.",
            "Cut the folder with `dnas tile`, and evaluate on the tile set.",
        )
    if options["source"] is not None:
        raise UsageError(
            "source=...: says where the scenes of a tile set are; a folder holds them itself.",
            "Leave it out.",
        )
    scenes = open_folder(
        data,
        None if options["dataset"] is None else str(options["dataset"]),
        mapper.model.facts,
        mapper.path,
        options["max_unknown"],
        options["labels_as_is"],
    )
    if folder is not None:
        # A plain folder has no fingerprint: figures that are there may be of other images.
        for path in evaluation_files(folder, "", "scene").all:
            refuse_existing(path, options["overwrite"])
    subject = Subject(mapper.path, mapper.model_id, str(data), "", "", 0, "scene", options["views"])
    matrix, scores = _scored(options, mapper, scenes, subject, folder, maps)
    subject = replace(subject, items=len(scores))
    cost = timed_cost(_network_of(mapper), mapper.device) if options["cost"] else None
    files, classes = tuple(maps.files) if maps else (), mapper.model.facts.classes
    return Evaluation(subject, classes, matrix, cost=cost, scenes=scores, files=files)


def _network_of(mapper: Mapper) -> Model:
    """Return the model of a mapper.

    Raises:
        UsageError: It is an ONNX file, which holds no network to score or count here.
    """
    if not isinstance(mapper.model, Model):
        raise UsageError(
            f"{mapper.path}: is an ONNX file; tiles and costs need the model itself.",
            "Give model.pt, or score maps: dnas predict MODEL SCENE --truth LABEL",
        )
    return mapper.model
