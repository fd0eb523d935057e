"""Models, and the maps that they make."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from dnas_cli.api.path_arguments import AnyModel, AnyPath, AnyRun, options_as, path_or_none
from dnas_cli.errors import UsageError
from dnas_cli.mapping.map_options import Engine, MapOptions
from dnas_cli.run.directory import Run
from dnas_cli.shard import parse_shard
from dnas_cli.typed_fields import completed

if TYPE_CHECKING:
    from dnas_cli.export.export_model import Exported
    from dnas_cli.mapping.change import Change
    from dnas_cli.mapping.mapper import Mapper
    from dnas_cli.mapping.scene_result import SceneResult
    from dnas_cli.scenes.scene_files import SceneFiles


def load_model(path: AnyRun, device: str = "auto", engine: Engine | None = None) -> "Mapper":
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

    return load_mapper(_model_file(path), device, MapSettings(), engine)


def export_model(model: AnyRun, *, overwrite: bool = False, **options: Any) -> "Exported":
    """Write a model as ONNX, `.pt2`, card or STAC Item.

    Args:
        model: A model file, or a run with a model.
        overwrite: Replace what exists.
        options: Fields of `ExportRequest` (onnx, program, card, stac, ...).

    Returns:
        The files, and how well an ONNX file agrees with the model.

    Raises:
        UsageError: Nothing is to be written, or a form cannot express the model.
        DataError: It is not a model file.
        RunStateError: An output exists.
    """
    from dnas_cli.export.export_model import export_model as export
    from dnas_cli.export.export_request import ExportRequest

    return export(_model_file(model), options_as(ExportRequest, options), overwrite)


def change(
    old: AnyPath, new: AnyPath, out: AnyPath | Sequence[AnyPath], **options: Any
) -> "Change":
    """Compare two maps of one place, and write the transitions, in bounded memory.

    Args:
        old: The earlier map, a GeoTIFF of `predict`.
        new: The later one, of the same classes and on the same grid.
        out: Transitions: `.tif`, `.gpkg` or `.geojson`.
        options: Fields of `ChangeOptions` (table, min_confidence, ...).

    Raises:
        UsageError: A value cannot work.
        DataError: A map names no classes, or they have other classes or another grid.
        RunStateError: An output exists.
    """
    from dnas_cli.mapping.change import find_change
    from dnas_cli.mapping.change_options import ChangeOptions

    targets = [out] if isinstance(out, str | Path) else out
    chosen = options_as(ChangeOptions, options)
    return find_change(Path(old), Path(new), [Path(path) for path in targets], chosen)


def predict(
    model: AnyModel,
    scene: AnyPath,
    out: AnyPath | Sequence[AnyPath],
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
        raise UsageError(f"scene={scene}: stands for many scenes.", "Call predict_scenes.")
    return predict_scenes(model, [scene], out, **options)[0]


def predict_scenes(
    model: AnyModel,
    scenes: Sequence[AnyPath],
    out: AnyPath | Sequence[AnyPath],
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
    from dnas_cli.datasets.description import load_description
    from dnas_cli.mapping.areas import AreaOptions
    from dnas_cli.mapping.find_scenes import find_described_scenes, find_scenes, stands_for_many
    from dnas_cli.mapping.label_comparison import settled_labels
    from dnas_cli.mapping.mapper import Mapper, MapSettings
    from dnas_cli.mapping.open_scene import refuse_unknown_resolution, scene_reading
    from dnas_cli.mapping.outputs import OutputPatterns, map_values, plan_outputs, with_values
    from dnas_cli.mapping.refinement import Refinement
    from dnas_cli.mapping.scene_map import map_scene
    from dnas_cli.mapping.scene_maps import map_scenes
    from dnas_cli.scenes.polygons import PolygonOptions, tolerance_of

    given = completed(MapOptions, options)
    maps = [out] if isinstance(out, str | Path) else out
    truth, dataset, nodata = given["truth"], given["dataset"], given["nodata"]
    polygons = PolygonOptions(given["min_area"], *tolerance_of(given["simplify"]))
    patterns = OutputPatterns(
        tuple(map(str, maps)),
        {
            name: str(path)
            for name, path in (
                ("probabilities", given["probabilities"]),
                ("confidence", given["confidence"]),
                ("entropy", given["entropy"]),
                ("margin", given["margin"]),
                ("overlay", given["overlay"]),
                ("areas", given["areas"]),
                ("stac", given["stac"]),
            )
            if path is not None
        },
        polygons,
        Refinement(given["unsure"], given["sieve"]),
        AreaOptions(
            path_or_none(given["zones"]), given["zone_field"], path_or_none(given["error_matrix"])
        ),
    )
    settings = MapSettings(given["window"], given["overlap"], given["batch"], given["views"])
    reading = scene_reading(given, path_or_none(given["clip"]))
    names = [str(scene) for scene in scenes]
    found: Sequence[str | SceneFiles]
    if dataset is not None and truth is None:
        description = load_description(str(dataset))
        found, bands = find_described_scenes(names, description)
        no_data = description.nodata if nodata is None else reading.nodata
        reading = replace(reading, described=(bands, description.bands), nodata=no_data)
    else:
        found = find_scenes(names)
    planned, shard = plan_outputs(found, patterns), parse_shard(given["shard"])
    scheduler, overwrite = given["scheduler"], given["overwrite"]
    many = len(found) > 1 or (patterns.many and stands_for_many(names[0]))
    many = many or scheduler is not None or not shard.is_all
    if many and truth is not None:
        raise UsageError(
            "truth=...: is the label of one scene.",
            "Map one scene, or score many: dnas eval MODEL FOLDER",
        )
    if many and given["error_matrix"] is not None:
        raise UsageError("error_matrix=...: is of the sample of one map.", "Map one scene.")
    if not isinstance(model, Mapper):
        # Workers of a cluster have devices of their own.
        device = given["device"] if scheduler is None else "cpu"
        model = load_model(model, device, given["engine"])
    mapper, facts = replace(model, settings=settings), model.model.facts
    settings.grid(facts.tile_size)
    refuse_unknown_resolution(facts, reading)
    values = map_values(given["values"], given["map_nodata"], facts, patterns.refinement)
    planned = with_values(planned, values)
    if many:
        found, planned = shard.of(found), shard.of(planned)
        if scheduler is None:
            return map_scenes(mapper, found, reading, planned, overwrite)
        from dnas_cli.mapping.cluster import map_scenes_on

        device = given["device"]
        return map_scenes_on(scheduler, mapper, device, found, reading, planned, overwrite)
    labels = None
    if truth is not None:
        labels = settled_labels(
            str(truth),
            None if dataset is None else str(dataset),
            facts,
            mapper.path,
            given["max_unknown"],
            given["labels_as_is"],
        )
    return [map_scene(mapper, found[0], reading, planned[0], overwrite, labels)]


def _model_file(model: AnyRun) -> Path:
    return model.model_path if isinstance(model, Run) else Path(model)
