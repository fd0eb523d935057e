"""Opening a scene as a model wants it: the one way for mapping and for scoring."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.datasets.inspection import described_bands
from dnas_cli.errors import DataError, UsageError
from dnas_cli.mapping.bands import choose_bands
from dnas_cli.mapping.map_options import ReadingOptions
from dnas_cli.mapping.scene_checks import alpha_holds_data, doubts_about, zero_share
from dnas_cli.model.model_file import ModelFacts
from dnas_cli.scenes.ground import LARGEST_RATIO, grid_at, ground_resolution
from dnas_cli.scenes.raster import Raster, open_raster
from dnas_cli.scenes.scene_files import SceneFiles
from dnas_cli.scenes.validity import can_hold

_COLLAR = 0.02  # share of zero pixels from which on a forgotten nodata is likely


@dataclass(frozen=True)
class SceneReading:
    """How a scene is read.

    Attributes:
        bands: Names or 1-based numbers; by the model's names, or all, when empty.
        nodata: Value that means "no data"; the file's own when missing.
        all_data: No value means "no data", whatever the file declares.
        scaled: Apply the scale and offset that the file declares.
        described: Where a description says them: the names of the file's bands, and those of the
            dataset.
        clip: Polygons; only what lies inside is mapped.
        resample: Bring the scene to the ground resolution of the training data.
    """

    bands: tuple[str, ...] = ()
    nodata: float | None = None
    scaled: bool = False
    described: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    clip: Path | None = None
    all_data: bool = False
    resample: bool = False


def scene_reading(given: ReadingOptions, clip: Path | None = None) -> SceneReading:
    """Return how scenes are read, from options that are all given."""
    nodata = given["nodata"]
    return SceneReading(
        tuple(map(str, given["bands"] or ())),
        None if nodata == "none" else nodata,
        given["scaled"],
        clip=clip,
        all_data=nodata == "none",
        resample=given["resample"],
    )


def refuse_unknown_resolution(facts: ModelFacts, reading: SceneReading) -> None:
    """Refuse to resample scenes for a model that does not say to what.

    Raises:
        UsageError: It does not.
    """
    if reading.resample and facts.ground_resolution is None:
        raise UsageError("resample=True: the model does not say its ground resolution.")


def open_scene(
    facts: ModelFacts,
    path: str | Path | SceneFiles,
    reading: SceneReading,
    warn: Callable[[str], None],
) -> Raster:
    """Open a scene with the bands in the model's order.

    Args:
        path: The scene, as `open_raster` takes it.
        warn: Gets what is odd about the scene, a sentence at a time.

    Raises:
        DataError: The scene cannot be opened, or has other bands than the model.
    """
    if isinstance(path, SceneFiles):
        path = path.of_bands(reading.described[1] or reading.bands or facts.bands)
    file_bands = described_bands(path, *reading.described)
    grid = None
    with open_raster(path) as whole:
        nodata = _nodata(whole, reading, warn)
        chosen = _chosen_bands(facts, whole, path, file_bands, reading, warn)
        if nodata is None and not whole.has_validity and facts.nodata is not None:
            nodata = facts.nodata
            logger.info("%s: declares no nodata; %g counts as such, as in training", path, nodata)
        if reading.resample and facts.ground_resolution is not None:
            if not whole.georeference.has_map_coordinates:
                warn("has no place on the ground and is not resampled")
            place = (whole.georeference, whole.height, whole.width)
            grid = grid_at(*place, facts.ground_resolution)
    scene = open_raster(path, chosen, nodata, reading.scaled, grid=grid)
    try:
        if scene.declares_scale and not reading.scaled:
            logger.info(
                "%s: declares scale and offset; values are read as stored, as in training", path
            )
        zeros = 0.0 if nodata is not None else zero_share(scene)
        if zeros > _COLLAR:
            warn(
                f"{100 * zeros:.0f} % of its pixels are 0 in all bands; "
                "if they hold no data, give 0 as nodata"
            )
        _check_resolution(facts, scene, warn)
        doubts = doubts_about(
            scene, facts.dtype, facts.bands, facts.normalisation, facts.statistics
        )
        if doubts:
            warn("looks like another product than the model was trained on: " + "; ".join(doubts))
    except BaseException:
        scene.close()
        raise
    return scene


def _check_resolution(facts: ModelFacts, scene: Raster, warn: Callable[[str], None]) -> None:
    own, known = (
        ground_resolution(scene.georeference, scene.height, scene.width),
        facts.ground_resolution,
    )
    if own and known and not 1 / LARGEST_RATIO <= own / known <= LARGEST_RATIO:
        warn(
            f"its pixels are {own:.3g} m on the ground, in training they were {known:.3g} m "
            "(resample=True brings it there)"
        )


def _nodata(whole: Raster, reading: SceneReading, warn: Callable[[str], None]) -> float | None:
    """Return the value asked for, if it can be one of the file's; NaN where no value is."""
    if reading.all_data:
        return math.nan
    nodata, dtype = reading.nodata, whole.stored_dtype
    if nodata is None or can_hold(dtype, nodata):
        return nodata
    if not math.isfinite(nodata):
        warn(f"its {dtype} values are never {nodata:g}; the nodata that it declares stays")
        return None
    raise DataError(
        f"{whole.path}: holds {dtype} values, which cannot be nodata {nodata:g}.",
        "Give the value that the file holds where there is no data, or none.",
    )


def _chosen_bands(
    facts: ModelFacts,
    whole: Raster,
    path: str | Path | SceneFiles,
    file_bands: tuple[str, ...],
    reading: SceneReading,
    warn: Callable[[str], None],
) -> tuple[str | int, ...]:
    """Return the bands of a file in the model's order."""
    names = file_bands or whole.file_bands
    if len(names) < len(facts.bands) and alpha_holds_data(path, whole.alpha_band):
        names = (*names, str(whole.alpha_band))
        logger.info(
            "%s: its band %d is called alpha but holds other data; it is read as a band",
            whole.path,
            whole.alpha_band,
        )
    choice = choose_bands(whole.path, names, facts.bands, reading.bands)
    if choice.note:
        logger.info("%s: %s", whole.path, choice.note)
    if choice.doubt:
        warn(f"{choice.doubt}; if that is wrong, name the bands")
    if not file_bands:
        return choice.bands
    return tuple(names.index(band) + 1 if band in names else band for band in choice.bands)
