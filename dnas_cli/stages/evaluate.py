"""From what a user asks for to figures: which model, which data, where the figures go."""

from dataclasses import dataclass, replace
from pathlib import Path

from dnas_cli.claimed_outputs import claim_outputs
from dnas_cli.console import progress
from dnas_cli.datasets.discovery import LabelledScenes
from dnas_cli.errors import DataError, UsageError
from dnas_cli.evaluation.evaluation import Evaluation, Subject, band_positions, confusion_on_tiles
from dnas_cli.evaluation.evaluation_options import EvaluationOptions
from dnas_cli.evaluation.folder import open_folder
from dnas_cli.evaluation.references import evaluate_references
from dnas_cli.evaluation.scene_maps import OnLook, SceneMaps
from dnas_cli.evaluation.scenes import SceneScore, evaluate_scenes
from dnas_cli.evaluation.shards import Scores, merged
from dnas_cli.evaluation.stored import evaluation_files, stored_evaluation
from dnas_cli.file_kinds import refuse_swapped
from dnas_cli.mapping.mapper import Mapper, MapSettings, load_mapper
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.cost import timed_cost
from dnas_cli.model.model_file import Model
from dnas_cli.nets.device import resolve_device
from dnas_cli.run.directory import Run, open_run
from dnas_cli.shard import Shard, parse_shard
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
        path = target if run is None else run.trained_model()
        mapper = load_mapper(path, options["device"], settings)
    else:
        mapper = replace(target, settings=settings)
    folder = own.evaluation_folder if own and options["out"] is None else options["out"]
    folder = None if folder is None else Path(folder)
    shard = parse_shard(options["shard"])
    if folder is None and not shard.is_all:
        raise UsageError(f"shard={shard}: needs a folder for the scores.", "Give out=DIR.")
    maps = None
    if (place := options["maps"]) is not None:
        if not shard.is_all:
            raise UsageError("maps=...: the worst of all scenes are shown.", "Give shard=1/1.")
        facts = mapper.model.facts
        maps = SceneMaps(Path(place), facts.classes, facts.tile_size, on_look)
    asked = _Asked(mapper, data, options, folder, maps, shard)
    on_tiles = is_tile_set(data, or_unfinished=True)
    evaluation = _on_tiles(asked, own) if on_tiles else _on_folder(asked)
    if options["cost"] and evaluation.cost is None:
        evaluation = replace(evaluation, cost=timed_cost(asked.model, mapper.device))
    return replace(evaluation, files=tuple(maps.files) if maps else ()), folder


@dataclass(frozen=True)
class _Asked:
    """The evaluation that is asked for.

    Attributes:
        data: A tile set or a plain folder.
        folder: Where the figures go, if anywhere.
        maps: Gets the maps of scenes, if they are wanted.
        shard: The part of the tiles or scenes.
    """

    mapper: Mapper
    data: Path
    options: EvaluationOptions
    folder: Path | None
    maps: SceneMaps | None
    shard: Shard

    @property
    def model(self) -> Model:
        """The model.

        Raises:
            UsageError: It is an ONNX file, which holds no network to score or count here.
        """
        if not isinstance(self.mapper.model, Model):
            raise UsageError(
                f"{self.mapper.path}: is an ONNX file; tiles and costs need the model itself.",
                "Give model.pt, or score maps: dnas predict MODEL SCENE --truth LABEL",
            )
        return self.mapper.model

    def stored(self, subject: Subject) -> Evaluation | None:
        """Return the existing figures of a subject that may be kept."""
        if self.folder is None:
            return None
        return stored_evaluation(self.folder, subject, self.options["overwrite"])


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


def _on_tiles(asked: _Asked, run: Run | None) -> Evaluation:
    options, mapper = asked.options, asked.mapper
    tiles, split = _tile_set(asked, run), options["split"]
    subject = Subject(
        model=mapper.path,
        model_hash=mapper.model_id,
        data=str(asked.data),
        fingerprint=tiles.fingerprint,
        split=split,
        items=len(tiles.split(split)),
        views=options["views"],
    )
    if options["scenes"] or asked.maps is not None:
        return _on_split_scenes(asked, subject, tiles)
    evaluation, model = asked.stored(subject), asked.model
    if evaluation is None:
        refs, size = tiles.split(split), options["batch"]
        # Whole batches: a network may round by how many tiles it gets at once.
        batches = [refs[start : start + size] for start in range(0, len(refs), size)]
        own = [ref for batch in asked.shard.of(batches) for ref in batch]
        matrix = confusion_on_tiles(model, subject, tiles, mapper.device, size, own)
        if asked.folder is not None and not asked.shard.is_all:
            matrix = merged(asked.folder, subject, asked.shard, Scores(matrix), {}).matrix
        evaluation = Evaluation(subject, tiles.classes, matrix)
    if options["references"] and not evaluation.references:
        with progress(f"references on {split}", subject.items, "tile") as advance:
            references = evaluate_references(tiles, split, advance=advance)
        evaluation = replace(evaluation, references=references)
    return evaluation


def _tile_set(asked: _Asked, run: Run | None) -> TileSet:
    options = asked.options
    if options["dataset"] is not None:
        raise UsageError(
            "dataset=...: says what a plain folder holds; a tile set knows that itself.",
            "Leave it out.",
        )
    if options["source"] is not None and not (options["scenes"] or options["maps"]):
        raise UsageError("source=...: says where whole scenes are.", "Give scenes=True as well.")
    tiles = open_tile_set(asked.data)
    if run is not None and tiles.fingerprint != run.manifest.tile_set.fingerprint:
        raise DataError(
            f"{asked.data}: is not the tile set that {run.root} was trained on; it was changed.",
            f"To evaluate on it all the same: dnas eval {run.root} {asked.data}",
        )
    return tiles


def _on_split_scenes(asked: _Asked, of_tiles: Subject, tiles: TileSet) -> Evaluation:
    options, source = asked.options, asked.options["source"]
    if options["references"]:
        raise UsageError(
            "references=True: they are scored on tiles, which are other pixels than scenes=True.",
            "Leave one of them out.",
        )
    # Model and data fit together.
    band_positions(asked.mapper.model.facts, tiles, of_tiles.model)
    scenes = open_split_scenes(tiles, of_tiles.split, None if source is None else Path(source))
    subject = replace(of_tiles, items=len(scenes.pairs), unit="scene")
    stored = asked.stored(subject)
    if stored is None or asked.maps is not None:
        matrix, scores = _scored(asked, scenes, subject)
        stored = stored or Evaluation(subject, tiles.classes, matrix, scenes=scores)
    return stored


def _scored(
    asked: _Asked, scenes: LabelledScenes, subject: Subject
) -> tuple[ConfusionMatrix, tuple[SceneScore, ...]]:
    """Score this shard of the scenes, and return the scores of all; those of a split must do.

    Maps are written where they are wanted.
    """
    maps, shard = asked.maps, asked.shard
    if maps is not None:
        maps.refuse_existing([pair.key for pair in scenes.pairs], asked.options["overwrite"])
    own = replace(scenes, pairs=tuple(shard.of(scenes.pairs)))
    matrix, scores = evaluate_scenes(asked.mapper, own, bool(subject.split), maps)
    if asked.folder is not None and not shard.is_all:
        order = {pair.key: place for place, pair in enumerate(scenes.pairs)}
        of_all = merged(asked.folder, subject, shard, Scores(matrix, scores), order)
        matrix, scores = of_all.matrix, of_all.scenes
    if not scores:
        raise DataError(f"{scenes.root}: none of the {len(scenes.pairs)} images can be used.")
    if maps is not None:
        maps.write_worst()
    return matrix, scores


def _on_folder(asked: _Asked) -> Evaluation:
    options, mapper = asked.options, asked.mapper
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
        asked.data,
        None if options["dataset"] is None else str(options["dataset"]),
        mapper.model.facts,
        mapper.path,
        options["max_unknown"],
        options["labels_as_is"],
    )
    if asked.folder is not None:
        # A plain folder has no fingerprint: existing figures may be of other images.
        claim_outputs(evaluation_files(asked.folder, "", "scene").all, options["overwrite"])
    views = options["views"]
    subject = Subject(mapper.path, mapper.model_id, str(asked.data), "", "", 0, "scene", views)
    matrix, scores = _scored(asked, scenes, subject)
    subject = replace(subject, items=len(scores))
    return Evaluation(subject, mapper.model.facts.classes, matrix, scenes=scores)
