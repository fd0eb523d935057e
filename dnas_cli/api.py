"""The Python door: what the command line does, as functions of Python.

`import dnas_cli as dnas` hands these functions on. Paths may be text; a tile set, run or model
that a function returned may be given in place of its path. Errors are `DnasError`s that name the
parameter or the file; `docs/python.md` shows how the functions go together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from dnas_cli import file_kinds
from dnas_cli.console import logger
from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.directory import open_run as _open_run

if TYPE_CHECKING:
    from torch import nn

    from dnas_cli.evaluation.evaluation import Evaluation
    from dnas_cli.mapping.mapper import Engine, Mapper
    from dnas_cli.mapping.scene_result import SceneResult
    from dnas_cli.mapping.views import Views
    from dnas_cli.space.coding import ArchitectureCoding
    from dnas_cli.space.decoding import ConnectionRule
    from dnas_cli.stages.epoch_callback import EpochCallbacks
    from dnas_cli.stages.known_files import KnownFile
    from dnas_cli.stages.run_pipeline import Step
    from dnas_cli.tiles.lists import SplitBy
    from dnas_cli.tiles.result import TileSetResult
    from dnas_cli.tiles.tile_set import TileSet
    from dnas_cli.training.settings import Preset, Recipe, TrainingSettings

    Data = str | Path | TileSet


class MapOptions(TypedDict, total=False):
    """How scenes are mapped; each of these is the option of `dnas predict` of that name.

    Attributes:
        bands: Names or 1-based numbers of a scene's bands, in the model's order.
        nodata: Value that means "no data"; `none`: no value does.
        scaled: Apply the scale and offset that a file declares.
        window: Pixels along a side of a window; the model's tile size when missing.
        overlap: Pixels that neighbours share; a quarter of a window when missing.
        batch: Windows per forward pass.
        views: `plain`, or average over mirrored (`flips`) or all eight views (`d4`).
        probabilities: GeoTIFF of all class probabilities.
        confidence: GeoTIFF of the probability of the chosen class.
        overlay: PNG of the map over the scene.
        truth: Label of the scene to compare the map with: a raster or a vector layer.
        dataset: How `truth` is written; as the labels that the model learnt from when missing.
        max_unknown: Largest share of `truth` in no known colour or value.
        labels_as_is: Pair `truth` with the scene pixel by pixel, wherever it says it lies.
        values: What maps hold: class `indices`, or the values of the `labels`.
        map_nodata: Value of map pixels without data; 255, or a free one, when missing.
        min_area: Smallest polygon, in square metres.
        simplify: Tolerance of polygons, in units of the CRS, or in metres as `10m`.
        clip: Polygons; only what lies inside is mapped.
        overwrite: Replace existing outputs.
        engine: What runs the network; ONNX Runtime for an ONNX file, else PyTorch, when missing.
        device: Where a model is loaded, unless it is loaded already.
    """

    bands: Sequence[str | int]
    nodata: float | Literal["none"] | None
    scaled: bool
    window: int | None
    overlap: int | None
    batch: int | None
    views: "Views"
    probabilities: str | Path | None
    confidence: str | Path | None
    overlay: str | Path | None
    truth: str | Path | None
    dataset: str | Path | None
    max_unknown: float
    labels_as_is: bool
    values: Literal["indices", "labels"]
    map_nodata: int | None
    min_area: float
    simplify: float | str
    clip: str | Path | None
    overwrite: bool
    engine: "Engine | None"
    device: str


def load_model(
    path: "str | Path | Run", device: str = "auto", engine: "Engine | None" = None
) -> "Mapper":
    """Load a model to map arrays and scenes with.

    Args:
        path: A model file (`model.pt`), an ONNX file of `dnas export`, or a run with a model.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        engine: As in `MapOptions`.

    Returns:
        The model: `predict` and `probabilities` take arrays; `model.facts` says classes, bands,
        normalisation.

    Raises:
        DataError: It is not a model file, or is damaged.
        UsageError: There is no such device.
    """
    from dnas_cli.mapping.mapper import MapSettings, load_mapper

    file = path.model_path if isinstance(path, Run) else Path(path)
    return load_mapper(file, device, MapSettings(), engine)


def predict(
    model: "Mapper | Run | str | Path",
    scene: str | Path,
    out: str | Path | Sequence[str | Path],
    **options: Unpack[MapOptions],
) -> "SceneResult":
    """Map a scene of any size, in bounded memory.

    Interrupted, the same call resumes.

    Args:
        model: A model as `load_model` returns it, or what `load_model` takes.
        scene: A raster, or anything else that GDAL opens.
        out: Maps: `.tif`, `.png`, `.gpkg` or `.geojson`, or a folder, which gets a GeoTIFF.
        options: See `MapOptions`.

    Returns:
        Files, pixels and area per class, warnings, and the score if `truth` is given.

    Raises:
        UsageError: An option cannot work.
        DataError: The scene is damaged, or its bands are not the model's.
        RunStateError: An output exists.
    """
    from dnas_cli.mapping.find_scenes import find_scenes

    if len(find_scenes([str(scene)])) != 1:
        raise UsageError(f"scene={scene}: is many scenes.", "Call predict_scenes.")
    return predict_scenes(model, [scene], out, **options)[0]


def predict_scenes(
    model: "Mapper | Run | str | Path",
    scenes: Sequence[str | Path],
    out: str | Path | Sequence[str | Path],
    **options: Unpack[MapOptions],
) -> "list[SceneResult]":
    """Map scenes one after the other.

    Finished scenes are skipped. Of many, one that fails does not stop the others: its result has
    the status `failed`.

    Args:
        model: As `predict` takes it.
        scenes: Rasters; folders, patterns and lists (`.txt`) stand for the rasters in them.
        out: As `predict` takes it; for many scenes folders, or patterns with `{name}`.
        options: See `MapOptions`.

    Raises:
        UsageError: An option cannot work, or outputs would be written twice.
        DataError: There is no scene, or a single one cannot be mapped.
        RunStateError: The output of a single scene exists.
    """
    from dnas_cli.mapping.find_scenes import find_scenes, stands_for_many
    from dnas_cli.mapping.mapper import Mapper, MapSettings
    from dnas_cli.mapping.open_scene import SceneReading
    from dnas_cli.mapping.outputs import OutputPatterns, map_values, plan_outputs, with_values
    from dnas_cli.mapping.scene_map import map_scene
    from dnas_cli.mapping.scene_maps import map_scenes
    from dnas_cli.mapping.truth import truth_request
    from dnas_cli.scenes.label_encoding import MAX_UNKNOWN
    from dnas_cli.scenes.polygons import PolygonOptions, tolerance_of

    def text(
        name: Literal["probabilities", "confidence", "overlay", "truth", "dataset"],
    ) -> str | None:
        value = options.get(name)
        return None if value is None else str(value)

    overwrite, nodata = options.get("overwrite", False), options.get("nodata")
    polygons = PolygonOptions(
        options.get("min_area", 0.0), *tolerance_of(options.get("simplify", 0.0))
    )
    maps = [out] if isinstance(out, str | Path) else out
    extra = (text("probabilities"), text("confidence"), text("overlay"))
    patterns = OutputPatterns(tuple(map(str, maps)), *extra, polygons)
    settings = MapSettings(
        options.get("window"),
        options.get("overlap"),
        options.get("batch"),
        options.get("views", "plain"),
    )
    reading = SceneReading(
        tuple(map(str, options.get("bands", ()))),
        None if nodata == "none" else nodata,
        options.get("scaled", False),
        clip=None if options.get("clip") is None else Path(str(options["clip"])),
        all_data=nodata == "none",
    )
    found = find_scenes([str(scene) for scene in scenes])
    planned = plan_outputs(found, patterns)
    many = len(found) > 1 or (patterns.many and stands_for_many(str(scenes[0])))
    truth, dataset = text("truth"), text("dataset")
    if dataset is not None and truth is None:
        raise UsageError("dataset=...: says how `truth` is written.", "Give truth as well.")
    if many and truth is not None:
        raise UsageError(
            "truth=...: is the label of one scene.",
            "Map one scene, or score many: dnas eval MODEL FOLDER",
        )
    if not isinstance(model, Mapper):
        model = load_model(model, options.get("device", "auto"), options.get("engine"))
    mapper = replace(model, settings=settings)
    settings.grid(mapper.model.facts.tile_size)
    facts = mapper.model.facts
    values = map_values(options.get("values", "indices"), options.get("map_nodata"), facts)
    planned = with_values(planned, values)
    if many:
        return map_scenes(mapper, found, reading, planned, overwrite)
    max_unknown = options.get("max_unknown", MAX_UNKNOWN)
    as_is = options.get("labels_as_is", False)
    labels = (
        None
        if truth is None
        else truth_request(truth, dataset, facts, mapper.path, max_unknown, as_is)
    )
    return [map_scene(mapper, found[0], reading, planned[0], overwrite, labels)]


def tile(
    source: str | Path,
    out: str | Path | None = None,
    *,
    dataset: str | Path | None = None,
    size: int = 512,
    split_by: "SplitBy" = "scene",
    split: tuple[int, int, int] = (6, 2, 2),
    seed: int = 0,
    named_scenes: Mapping[str, Sequence[str]] | None = None,
    from_lists: Sequence[str | Path] = (),
    max_unknown: float = 0.05,
    labels_as_is: bool = False,
    keep_empty: bool = False,
    allow_overlap: bool = False,
    strict: bool = False,
    workers: int | None = None,
    overwrite: bool = False,
) -> "TileSetResult":
    """Cut scenes and labels into a tile set, or resume that.

    Args:
        source: Folder of scenes and labels, or of tiles with `from_lists`.
        out: Folder of the tile set; `SOURCE-tiles` when missing.
        dataset: `gid5`, `gid15`, `fbp`, or a YAML file; recognised by the folders when missing.
        size: Height and width of a tile, in pixels.
        split_by: What is never divided among splits.
        split: Parts of train, val and test.
        seed: Another one gives another split.
        named_scenes: Scenes of the splits `train`, `val` and `test`, where they are not drawn.
        from_lists: A folder or files that list tiles that are cut already.
        max_unknown: Largest share of a label in no known colour or value.
        labels_as_is: Pair labels with images pixel by pixel, wherever they say they lie.
        keep_empty: Keep tiles without any label.
        allow_overlap: Let scenes that overlap on the ground be in several splits.
        strict: Take every problem as an error.
        workers: Processes; one per processor when missing.
        overwrite: Replace an existing tile set.

    Returns:
        The tile set, and what was skipped.

    Raises:
        UsageError: A value cannot work.
        DataError: No image can be used.
        RunStateError: `out` holds something else, or a tile set with other settings.
    """
    from dnas_cli.container import usable_processors
    from dnas_cli.datasets.discovery import find_description
    from dnas_cli.report.preview import write_previews
    from dnas_cli.tiles.from_lists import tile_set_from_lists
    from dnas_cli.tiles.make_tile_set import make_tile_set
    from dnas_cli.tiles.settings import TilingOptions, TilingSettings

    source = Path(source)
    target = _tile_target(source) if out is None else Path(out)
    _check_tile_folders(source, target)
    if workers is not None and workers < 1:
        raise UsageError(f"workers={workers}: must be at least 1.")
    settings = TilingSettings(
        description=find_description(source, None if dataset is None else str(dataset)),
        size=size,
        split_by=split_by,
        ratio=split,
        seed=seed,
        scenes=tuple((name, tuple(scenes)) for name, scenes in (named_scenes or {}).items()),
        max_unknown=max_unknown,
        labels_as_is=labels_as_is,
        keep_empty=keep_empty,
        groups_overlaps=not allow_overlap,
    )
    options = TilingOptions(workers or usable_processors(), overwrite, strict)
    if from_lists:
        lists = [Path(path) for path in from_lists]
        result = tile_set_from_lists(
            source, target, lists, settings.description, max_unknown, options, keep_empty
        )
    else:
        result = make_tile_set(source, target, settings, options)
    if not result.made:
        logger.info("%s: is finished already; nothing to do.", result.root)
    write_previews(result)
    return result


def open_run(path: str | Path) -> Run:
    """Open a run directory: `history()`, `architecture()`, `next_command()`, `model_path`.

    Raises:
        DataError: It is none, or is damaged.
    """
    return _open_run(Path(path))


def encode(
    run: Run | str | Path,
    stage: int,
    *,
    data: "Data | None" = None,
    layers: int | None = None,
    width: int | None = None,
    overwrite: bool = False,
    branch: str | Path | None = None,
) -> Run:
    """Write the search space of a stage into a run; stage 1 creates the run.

    Args:
        run: The run.
        stage: 1 path, 2 connections, 3 operators.
        data: Tile set of a new run (stage 1).
        layers: Layers of the lattice (stage 1); 12 when missing.
        width: Channels of the finest scale (stage 1); 40 when missing.
        overwrite: Replace a space that exists.
        branch: A new run that gets the finished stages, to encode there.

    Raises:
        UsageError: A value does not belong to the stage.
        RunStateError: The space exists with other content.
        DataError: The previous coding is missing, or the tile set cannot be used.
    """
    from dnas_cli.stages.encode import encode as encode_stage

    new_run = None if branch is None else Path(branch)
    return encode_stage(_root(run), stage, _tiles(data), layers, width, overwrite, new_run)


def search(
    run: Run | str | Path,
    stage: int,
    *,
    data: "Data | None" = None,
    layers: int | None = None,
    width: int | None = None,
    preset: "Preset | None" = None,
    recipe: "Recipe | None" = None,
    settings: str | Path | None = None,
    callbacks: "EpochCallbacks" = (),
    **options: Any,
) -> Run:
    """Search a stage to its end, or resume it where it was interrupted (method, section 6).

    Args:
        run: The run; a new one needs `data`.
        stage: 1 path, 2 connections, 3 operators.
        data: Tile set of a new run.
        layers: Layers of a new run; the preset's when missing.
        width: Channels of the finest scale of a new run; the preset's when missing.
        preset: `paper`, or `quick` for a laptop; the run's, else `paper`, when missing.
        recipe: `plain`, or `strong` over the preset; the run's when missing.
        settings: YAML file of settings, over the preset and what the run was given earlier.
        callbacks: Called after each epoch.
        options: Fields of `SearchSettings` (epochs, batch, ...), which go over both, of
            `ComputeOptions` (device, workers, ...) and of `StageOptions` (branch, extend, ...).

    Raises:
        UsageError: A value cannot work.
        RunStateError: The stage exists with other settings, or another process works on it.
        Interrupted: A signal came; the state is saved.
    """
    from dnas_cli.stages.begin_run import NewRun
    from dnas_cli.stages.search import search as search_stage
    from dnas_cli.training.settings import SearchSettings
    from dnas_cli.training.settings_choice import SettingsChoice

    flags, compute, stage_options = _training_options(SearchSettings, options)
    choice = SettingsChoice(preset, None if settings is None else Path(settings), flags, recipe)
    new_run = NewRun(_tiles(data), layers, width)
    return search_stage(_root(run), stage, choice, new_run, compute, stage_options, callbacks)


def decode(
    run: Run | str | Path,
    stage: int | None = None,
    *,
    epoch: str | int = "last",
    rule: "ConnectionRule" = "positive",
    candidates: int = 1,
    device: str = "auto",
    target_macs: int | None = None,
    overwrite: bool = False,
    branch: str | Path | None = None,
) -> Run:
    """Decode a searched stage: the path, the connections, or the architecture.

    Args:
        run: The run.
        stage: 1, 2 or 3; the last one that is searched when missing.
        epoch: `last`, `best` (by mean IoU on the validation split) or a number from 1.
        rule: Stage 2 keeps edges of logit above 0 (`positive`), or of more than an equal share.
        candidates: Codings that are scored inside the trained supernet; the best is taken.
        device: Where they are scored.
        target_macs: Most multiply-accumulates of the network for a tile.
        overwrite: Replace a coding that exists.
        branch: A new run that gets the finished stages, to decode there.

    Returns:
        The run; `coding(stage)` is what was decoded.

    Raises:
        RunStateError: The stage is not searched to its end, or another coding exists.
        UsageError: There is no such epoch.
    """
    from dnas_cli.stages.decode import decode as decode_stage

    root, new_run = _root(run), None if branch is None else Path(branch)
    if stage is None:
        opened = _open_run(root)
        records = [(number, opened.record(f"stage{number}")) for number in CODINGS]
        searched = [number for number, record in records if record and record.finished]
        if not searched:
            raise RunStateError(
                f"{root}: no stage is searched to its end.", f"Run: {opened.next_command()}"
            )
        stage = searched[-1]
    return decode_stage(
        root, stage, str(epoch), rule, overwrite, new_run, candidates, device, target_macs
    )[0]


def retrain(
    run: Run | str | Path,
    *,
    architecture: str | Path | None = None,
    data: "Data | None" = None,
    preset: "Preset | None" = None,
    recipe: "Recipe | None" = None,
    settings: str | Path | None = None,
    callbacks: "EpochCallbacks" = (),
    **options: Any,
) -> Run:
    """Train the derived network from scratch, or resume that, and write `run.model_path`.

    Args:
        run: The run.
        architecture: Architecture coding of a run without searches.
        data: Tile set of the run that `architecture` begins.
        preset: `paper`, or `quick` for a laptop; the run's, else `paper`, when missing.
        recipe: `plain`, or `strong` over the preset; the run's when missing.
        settings: YAML file of settings, over the preset and what the run was given earlier.
        callbacks: Called after each epoch.
        options: Fields of `RetrainSettings`, `ComputeOptions` and `StageOptions`, as in `search`.

    Raises:
        UsageError: A value cannot work.
        RunStateError: There is no architecture yet, or the run is in the way.
        Interrupted: A signal came; the state is saved.
    """
    from dnas_cli.stages.retrain import retrain as retrain_run
    from dnas_cli.training.settings import RetrainSettings
    from dnas_cli.training.settings_choice import SettingsChoice

    flags, compute, stage_options = _training_options(RetrainSettings, options)
    choice = SettingsChoice(preset, None if settings is None else Path(settings), flags, recipe)
    coding = None if architecture is None else Path(architecture)
    return retrain_run(_root(run), choice, compute, stage_options, coding, _tiles(data), callbacks)


def evaluate(
    model: "Mapper | Run | str | Path",
    data: "Data | None" = None,
    *,
    split: str = "test",
    references: bool = False,
    cost: bool = False,
    scenes: bool = False,
    source: str | Path | None = None,
    dataset: str | Path | None = None,
    max_unknown: float = 0.05,
    labels_as_is: bool = False,
    out: str | Path | None = None,
    batch: int = 4,
    device: str = "auto",
    overwrite: bool = False,
    views: "Views" = "plain",
) -> "Evaluation":
    """Score a model on labelled data: IoU, accuracy, F1, kappa, confusion matrix.

    Args:
        model: A loaded model, a model file or a run.
        data: A tile set, or a folder of images and labels; the run's tile set when missing.
        split: Split of the tile set.
        references: Also score plain references on the same pixels.
        cost: Also count and time the network.
        scenes: Score the whole scenes that the split was cut from.
        source: With `scenes`: where they are, if not where they were cut.
        dataset: What a plain folder holds: `gid5`, `gid15`, `fbp` or a YAML file.
        max_unknown: Largest share of a label in no known colour or value.
        labels_as_is: Pair labels with images pixel by pixel, wherever they say they lie.
        out: Folder for the figures; `eval` of a run on its own tile set when missing.
        batch: Tiles or windows per forward pass.
        device: Where to compute, unless the model is loaded already.
        overwrite: Replace existing figures.
        views: As in `MapOptions`.

    Returns:
        The figures; `mean_iou` is from 0 to 1.

    Raises:
        UsageError: The values do not go together.
        DataError: Model or data are missing, damaged, or do not fit together.
        RunStateError: Other figures exist where these would go.
    """
    from dnas_cli.report.evaluation_files import write_evaluation
    from dnas_cli.stages.evaluate import EvaluationRequest, evaluate_request

    target = _root(model) if isinstance(model, Run | str | Path) else model
    request = EvaluationRequest(
        target,
        _tiles(data),
        split,
        references,
        cost,
        scenes,
        None if source is None else Path(source),
        None if dataset is None else str(dataset),
        max_unknown,
        labels_as_is,
        None if out is None else Path(out),
        batch,
        device,
        overwrite,
        views,
    )
    evaluation, folder = evaluate_request(request)
    files = write_evaluation(folder, evaluation) if folder else ()
    return replace(evaluation, files=files)


def run(
    run: Run | str | Path,
    *,
    data: "Data | None" = None,
    layers: int | None = None,
    width: int | None = None,
    preset: "Preset | None" = None,
    recipe: "Recipe | None" = None,
    settings: str | Path | None = None,
    retrain_epochs: int | None = None,
    first: "Step" = "1",
    last: "Step" = "eval",
    branch: str | Path | None = None,
    callbacks: "EpochCallbacks" = (),
    **options: Any,
) -> Run:
    """Search, decode, retrain and evaluate, and write the report; or resume that.

    It is the work of the single functions, to the bit; both can take turns on one run.

    Args:
        run: The run; a new one needs `data`.
        data: Tile set of a new run.
        layers: Layers of a new run; the preset's when missing.
        width: Channels of the finest scale of a new run; the preset's when missing.
        preset: As in `search`; it and all settings hold for every stage.
        recipe: As in `search`.
        settings: As in `search`.
        retrain_epochs: Epochs of the retraining; the preset's when missing.
        first: The first step, `1` to `3`, `retrain` or `eval`; the earlier ones must be finished.
        last: The last step.
        branch: A new run that gets the steps before `first`, to continue there.
        callbacks: Called after each epoch.
        options: Fields of `SearchSettings` and of `ComputeOptions`, as in `search`.

    Returns:
        The run, with `model_path`, figures in `evaluation_folder` and `report.html`.

    Raises:
        UsageError: A value cannot work.
        RunStateError: A stage has other settings, or another process works on it.
        Interrupted: A signal came; the state is saved.
    """
    from dnas_cli.stages.begin_run import NewRun
    from dnas_cli.stages.run_pipeline import PipelineRequest, run_stages
    from dnas_cli.training.settings import SearchSettings
    from dnas_cli.training.settings_choice import SettingsChoice

    flags, compute, _ = _training_options(SearchSettings, options)
    request = PipelineRequest(
        SettingsChoice(preset, None if settings is None else Path(settings), flags, recipe),
        {} if retrain_epochs is None else {"epochs": retrain_epochs},
        NewRun(_tiles(data), layers, width),
        first,
        last,
        None if branch is None else Path(branch),
    )
    done = run_stages(_root(run), request, compute, callbacks)
    if last == "eval":
        _conclude(done, compute.device)
    return done


def _conclude(run: Run, device: str) -> None:
    """Score a run's model, if its test split has tiles, and write its page."""
    from dnas_cli.report.page_content import page_content
    from dnas_cli.report.run_page import write_run_page
    from dnas_cli.stages.begin_run import linked_tile_set

    if linked_tile_set(run).count("test"):
        outdated = "test" in run.outdated_evaluations()
        evaluate(run, references=True, cost=True, device=device, overwrite=outdated)
    else:
        logger.warning("%s: has no test tiles, so its model is not scored.", run.tile_set_path)
    write_run_page(run.root / "report.html", run, page_content(run, device=device))


def build_network(
    coding: "ArchitectureCoding | str | Path", width: int = 40, bands: int = 4, classes: int = 5
) -> "nn.Module":
    """Build the derived network of an architecture, untrained (method, section 5).

    Args:
        coding: The architecture, or its file.
        width: Channels of the finest scale.
        bands: Bands of the input.
        classes: Classes of the output.

    Returns:
        A module that maps (N, bands, H, W) float32, normalised, to (N, classes, H, W) logits.

    Raises:
        DataError: The file is no architecture coding.
        UsageError: A size is not positive.
    """
    from dnas_cli.nets.network import NetworkShape, build_derived
    from dnas_cli.space.coding import ArchitectureCoding

    for name, value in (("width", width), ("bands", bands), ("classes", classes)):
        if value < 1:
            raise UsageError(f"{name}={value}: must be at least 1.")
    if not isinstance(coding, ArchitectureCoding):
        coding = ArchitectureCoding.read(Path(coding))
    return build_derived(coding, NetworkShape(width, bands, classes))


def info(path: str | Path) -> "KnownFile":
    """Say what a file or folder is.

    Args:
        path: A run, tile set, coding, evaluation, model, checkpoint, or anything that GDAL reads.

    Returns:
        Its kind, and facts with `to_json`.

    Raises:
        DataError: It is damaged, or nothing that dnas knows.
    """
    from dnas_cli.stages.known_files import read_known_file

    return read_known_file(str(path))


def _root(run: Run | str | Path) -> Path:
    return run.root if isinstance(run, Run) else Path(run)


def _tiles(data: "Data | None") -> Path | None:
    if data is None or isinstance(data, str | Path):
        return None if data is None else Path(data)
    return data.root


def _tile_target(source: Path) -> Path:
    """Return the folder beside a source folder: `gid5/` -> `gid5-tiles/`."""
    whole = source.resolve() if source.name in ("", "..") else source
    return whole.with_name(whole.name + "-tiles")


def _check_tile_folders(source: Path, target: Path) -> None:
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "no such folder"
        raise DataError(f"{source}: {what}.", "Give the folder that holds the scenes and labels.")
    if file_kinds.kind_of(source) == file_kinds.TILE_SET:
        raise DataError(
            f"{source}: is a tile set already.", "Give the folder of scenes it was made from."
        )
    if source.resolve().is_relative_to(target.resolve()):
        raise UsageError(f"out={str(target)!r}: holds the scenes themselves; name another folder.")


def _training_options(kind: "type[TrainingSettings]", options: Mapping[str, Any]) -> Any:
    """Divide options among settings, `ComputeOptions` and `StageOptions`."""
    from dnas_cli.stages.compute_options import ComputeOptions
    from dnas_cli.stages.stage_options import StageOptions
    from dnas_cli.training.settings import SearchSettings
    from dnas_cli.training.settings_choice import LOGITS_FROM
    from dnas_cli.typed_fields import did_you_mean

    kinds = (kind, ComputeOptions, StageOptions)
    names = [{item.name for item in fields(group)} for group in kinds]
    names[0] |= {LOGITS_FROM} if kind is SearchSettings else set()
    for name in options:
        if not any(name in group for group in names):
            raise UsageError(f"{name}: is no option.{did_you_mean(name, set().union(*names))}")
    flags, compute, stage = ({k: v for k, v in options.items() if k in group} for group in names)
    if stage.get("branch") is not None:
        stage["branch"] = Path(stage["branch"])
    return flags, ComputeOptions(**compute), StageOptions(**stage)
