"""From the finished rows of a map to every file that was asked for."""

from collections.abc import Callable
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.mapping.outputs import TIFF_SUFFIXES, Outputs
from dnas_cli.mapping.part_file import PartFile
from dnas_cli.scenes.overlay import write_overlay
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.polygons import check_place, require_libraries, write_polygons
from dnas_cli.scenes.raster import Georeference, Scene
from dnas_cli.scenes.writers import (
    Rows,
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
    """Find out before the work what could not be written after it.

    Raises:
        DnasError: A library is missing.
        DataError: Polygons of this scene could not be placed.
    """
    if outputs.polygon_files:
        require_libraries()
    if georeference is not None:
        for path in outputs.polygon_files:
            check_place(scene, path, georeference)


def write_outputs(
    part: PartFile,
    outputs: Outputs,
    classes: tuple[LandClass, ...],
    scene: Scene,
    tags: dict[str, str],
) -> dict[str, int]:
    """Write every output; each appears whole or not at all.

    Returns:
        The number of polygons per polygon file.
    """
    draft = part.folder / "map.tif"
    write_draft(draft, part.classes(), classes, scene.georeference, tags, outputs.nodata)
    for path in outputs.maps:
        logger.debug("writing %s", path)
        part.begin_output(path)
        if path.suffix.lower() in TIFF_SUFFIXES:
            write_sidecar(path, classes)
            write_cog(draft, path, "MODE")
        elif path not in outputs.polygon_files:
            write_sidecar(path, classes, scene.georeference)
            write_world_file(path, scene.georeference)
            write_png(draft, path)
    polygons, count = outputs.polygon_files, 0
    if polygons:
        count = write_polygons(draft, polygons, classes, scene.georeference, outputs.polygons)
        for path in polygons:
            if path.suffix.lower() == ".geojson":
                logger.info("%s: coordinates are in WGS84, as GeoJSON has it", path)
    if outputs.overlay is not None:
        part.begin_output(outputs.overlay)
        write_overlay(outputs.overlay, scene, draft, classes)
    names = [item.name for item in classes]
    _write_shares(outputs.probabilities, part, part.probabilities, names, scene, tags)
    _write_shares(outputs.confidence, part, part.confidence, ["confidence"], scene, tags)
    return dict.fromkeys(map(str, polygons), count)


def _write_shares(
    target: Path | None,
    part: PartFile,
    shares: Callable[[], Rows],
    names: list[str],
    scene: Scene,
    tags: dict[str, str],
) -> None:
    if target is None:
        return
    part.begin_output(target)
    draft = part.folder / "shares.tif"
    write_shares_draft(draft, shares(), names, scene.georeference, tags)
    write_cog(draft, target, "AVERAGE")
