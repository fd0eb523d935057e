"""From the finished rows of a map to its output files."""

from collections.abc import Callable
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.mapping.outputs import TIFF_SUFFIXES, Outputs
from dnas_cli.mapping.unfinished_map import UnfinishedMap
from dnas_cli.scenes.map_values import index_values
from dnas_cli.scenes.overlay import write_overlay
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.polygons import check_place, require_libraries, write_polygons
from dnas_cli.scenes.qgis_style import write_raster_style
from dnas_cli.scenes.raster import Georeference, Raster
from dnas_cli.scenes.writers import (
    Rows,
    beside_geotiff,
    write_cog,
    write_draft,
    write_png,
    write_shares_draft,
    write_sidecar,
    write_world_file,
)


def check_outputs(
    outputs: Outputs, scene: str = "", georeference: Georeference | None = None
) -> None:
    """Check before the work that the outputs can be written.

    Raises:
        DnasError: A library is missing.
        DataError: Polygons of this scene have no position.
    """
    if outputs.polygon_files:
        require_libraries()
    if georeference is not None:
        for path in outputs.polygon_files:
            check_place(scene, path, georeference)


def write_outputs(
    unfinished: UnfinishedMap,
    outputs: Outputs,
    classes: tuple[LandClass, ...],
    scene: Raster,
    tags: dict[str, str],
) -> int:
    """Write every output; each appears whole or not at all.

    Returns:
        The number of polygons in each polygon file.
    """
    draft = unfinished.folder / "map.tif"
    write_draft(draft, unfinished.classes(), classes, scene.georeference, tags)
    raster = draft
    if outputs.values != index_values(len(classes), None):
        raster = unfinished.folder / "values.tif"
        write_draft(raster, unfinished.classes(), classes, scene.georeference, tags, outputs.values)
    for path in outputs.maps:
        logger.debug("writing %s", path)
        unfinished.begin_output(path)
        if path.suffix.lower() in TIFF_SUFFIXES:
            place = beside_geotiff(path, scene.path, scene.georeference)
            write_sidecar(path, classes, outputs.values, place)
            write_raster_style(path, classes, outputs.values)
            write_cog(raster, path, "MODE")
        elif path not in outputs.polygon_files:
            write_sidecar(path, classes, outputs.values, scene.georeference)
            write_raster_style(path, classes, outputs.values)
            write_world_file(path, scene.georeference)
            write_png(raster, path)
    polygons, count = outputs.polygon_files, 0
    if polygons:
        count = write_polygons(draft, polygons, classes, scene.georeference, outputs.polygons, tags)
        for path in polygons:
            if path.suffix.lower() == ".geojson":
                logger.info("%s: coordinates are in WGS84, as GeoJSON has it", path)
    if outputs.overlay is not None:
        unfinished.begin_output(outputs.overlay)
        write_overlay(outputs.overlay, scene, draft, classes, tags)
    names = [item.name for item in classes]
    _write_shares(outputs.probabilities, unfinished, unfinished.probabilities, names, scene, tags)
    _write_shares(
        outputs.confidence, unfinished, unfinished.confidence, ["confidence"], scene, tags
    )
    return count


def _write_shares(
    target: Path | None,
    unfinished: UnfinishedMap,
    shares: Callable[[], Rows],
    names: list[str],
    scene: Raster,
    tags: dict[str, str],
) -> None:
    if target is None:
        return
    unfinished.begin_output(target)
    draft = unfinished.folder / "shares.tif"
    write_shares_draft(draft, shares(), names, scene.georeference, tags)
    if place := beside_geotiff(target, scene.path, scene.georeference):
        write_sidecar(target, (), index_values(0, None), place)
    write_cog(draft, target, "AVERAGE")
