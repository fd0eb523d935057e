"""From the finished rows of a map to its output files."""

from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.mapping.outputs import SHARES, TIFF_SUFFIXES, Outputs
from dnas_cli.mapping.unfinished_map import UnfinishedMap
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.map_values import index_values
from dnas_cli.scenes.overlay import write_overlay
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.polygons import check_place, require_libraries, write_polygons
from dnas_cli.scenes.qgis_style import write_raster_style
from dnas_cli.scenes.raster import Raster
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.writers import (
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
    indices: Rows,
    outputs: Outputs,
    classes: tuple[LandClass, ...],
    scene: Raster,
    tags: dict[str, str],
) -> int:
    """Write every output; each appears whole or not at all.

    Args:
        unfinished: The finished rows; its folder takes what is written on the way.
        indices: The classes that are delivered.
        outputs: The files.
        classes: The classes; position is the index.
        scene: The scene, on the grid of the outputs.
        tags: Metadata of the files.

    Returns:
        The number of polygons in each polygon file.
    """
    draft = unfinished.folder / "map.tif"
    write_draft(draft, indices, classes, scene.georeference, tags)
    raster = draft
    if outputs.values != index_values(len(classes), None):
        raster = unfinished.folder / "values.tif"
        write_draft(raster, indices, classes, scene.georeference, tags, outputs.values)
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
    if overlay := outputs.beside.get("overlay"):
        unfinished.begin_output(overlay)
        write_overlay(overlay, scene, draft, classes, tags)
    for name in SHARES:
        if target := outputs.beside.get(name):
            shares = unfinished.finished(name)
            # A class that only the map has comes last, and has no probability.
            known = [item.name for item in classes[: shares.count]]
            names = known if name == "probabilities" else [name]
            _write_shares(target, unfinished, shares, names, scene, tags)
    return count


def _write_shares(
    target: Path,
    unfinished: UnfinishedMap,
    shares: Rows,
    names: list[str],
    scene: Raster,
    tags: dict[str, str],
) -> None:
    unfinished.begin_output(target)
    draft = unfinished.folder / "shares.tif"
    write_shares_draft(draft, shares, names, scene.georeference, tags)
    if place := beside_geotiff(target, scene.path, scene.georeference):
        write_sidecar(target, (), index_values(0, None), place)
    write_cog(draft, target, "AVERAGE")
