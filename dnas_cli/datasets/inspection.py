"""Looking at images and labels before anything is cut: what they are, and which do not fit."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnas_cli.datasets.description import DatasetDescription
from dnas_cli.datasets.discovery import Pair, Problem
from dnas_cli.errors import DataError
from dnas_cli.scenes.band_names import descriptions_of
from dnas_cli.scenes.georeference import geotiff_holds, unit_name
from dnas_cli.scenes.ground import grid_at, ground_resolution, outline
from dnas_cli.scenes.on_grid import Grid
from dnas_cli.scenes.raster import Raster, open_raster
from dnas_cli.scenes.scene_files import SceneFiles
from dnas_cli.scenes.validity import can_hold

# A header that promises this much more than its file holds is broken or made to do harm: even an
# empty image compresses to more than that.
_LARGEST_UNCHECKED = 8 << 30  # bytes
_LARGEST_RATIO = 2000


@dataclass(frozen=True)
class ImageFacts:
    """What the headers of an image and its label say.

    Attributes:
        width: Pixels per row.
        bands: Names of the bands that are used, in order.
        band_numbers: Their numbers in the file, from 1.
        dtype: NumPy name of the values.
        nodata: The value that means "no data", if there is one.
        alpha: Number of the band that is taken for alpha and not used, if there is one.
        notes: What a user should know of image and label, in the same words for all of a kind.
        resolution: Metres of a pixel on the ground, if the image has a place.
        outline: Longitudes and latitudes of points spread over it, likewise.
        crs_unit: Unit of its map coordinates, likewise.
        grid: The grid that it is resampled to, if it is.
    """

    pair: Pair
    height: int
    width: int
    bands: tuple[str, ...]
    band_numbers: tuple[int, ...]
    dtype: str
    nodata: float | None
    alpha: int | None = None
    notes: tuple[str, ...] = ()
    resolution: float | None = None
    outline: tuple[tuple[float, float], ...] = ()
    crs_unit: str | None = None
    grid: Grid | None = None


@dataclass(frozen=True)
class Inspection:
    """The task of looking at one pair of files.

    Attributes:
        source: The folder of the dataset.
        pair: The files.
        description: The dataset.
        labels_as_is: Labels lie on their images pixel by pixel.
        resample: Metres of the pixels that images are resampled to.
    """

    source: Path
    pair: Pair
    description: DatasetDescription
    labels_as_is: bool = False
    resample: float | None = None


def inspect(task: Inspection) -> ImageFacts | Problem:
    """Read the headers of an image and its label, and compare them."""
    try:
        return _inspect(task)
    except DataError as error:
        return problem_of(task.pair.image, error, task.source)


def problem_of(name: str, error: DataError, source: Path) -> Problem:
    """Return an error about a file as a problem, without what every line would repeat."""
    return Problem(name, error.what.replace(f"{source}/", "").removeprefix(f"{name}: "))


def _inspect(task: Inspection) -> ImageFacts:
    source, pair, description = task.source, task.pair, task.description
    path, files = source / pair.image, pair.scene_files(source)
    grid = None
    with open_raster(files) as scene:
        bands, numbers = choose_bands(path, scene, pair.bands, description.bands)
        notes = scene.notes
        if not pair.parts:
            refuse_absurd(path, scene.height, scene.width, len(numbers), scene.dtype)
        if task.resample is not None:
            grid = grid_at(scene.georeference, scene.height, scene.width, task.resample)
            if not scene.georeference.has_map_coordinates:
                notes += ("has no place on the ground and is not resampled",)
    with open_raster(files, numbers, description.nodata, grid=grid) as scene:
        alpha = None if scene.alpha_band in numbers else scene.alpha_band
        facts = ImageFacts(
            pair, scene.height, scene.width, bands, numbers, scene.dtype, scene.nodata, alpha
        )
        labels = pair.label_files(source, description.encoding, task.labels_as_is)
        with labels.open_over(scene) as label:
            notes += tuple(f"label {note}" for note in label.notes)
        place = (scene.georeference, scene.height, scene.width)
        resolution, points = ground_resolution(*place), outline(*place)
        unit = unit_name(scene.georeference)
    wkt = scene.georeference.crs_wkt
    if wkt is not None and not geotiff_holds(wkt):
        notes += ("has a coordinate reference system that tiles, being GeoTIFFs, cannot hold",)
    known = replace(facts, notes=notes, resolution=resolution, outline=points)
    return replace(known, crs_unit=unit, grid=grid)


def choose_bands(
    path: str | Path | SceneFiles,
    scene: Raster,
    file_bands: tuple[str, ...],
    wanted: tuple[str, ...],
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Decide which bands of a file are used, and in which order.

    The order said for the place where the file is comes first, then the names in the file itself,
    then the order of the description.

    Args:
        scene: The file, opened with all its bands.
        file_bands: The names of its bands by the description, if that says them.
        wanted: The bands of the description, in the order of tiles; empty for all.

    Returns:
        Names and numbers (from 1) of the bands.

    Raises:
        DataError: The file has not the bands that are wanted.
    """
    own = scene.file_bands  # without alpha
    # GDAL calls the fourth band of many R G B NIR files alpha, so the count may mean either.
    counts = (scene.dataset.count, len(own))
    if file_bands and len(file_bands) in counts:
        chosen = [band for band in wanted if band in file_bands] if wanted else list(file_bands)
        return tuple(chosen), tuple(file_bands.index(band) + 1 for band in chosen)
    lowered = [band.lower() for band in own]
    if wanted and all(band.lower() in lowered for band in wanted):
        return wanted, tuple(lowered.index(band.lower()) + 1 for band in wanted)
    if wanted and len(wanted) in counts:
        _refuse_renaming(path, scene, wanted)
        return wanted, tuple(range(1, len(wanted) + 1))
    if not wanted and not file_bands:
        return own, tuple(range(1, len(own) + 1))
    expected = wanted or file_bands
    raise DataError(
        f"{path}: has {len(own)} bands ({', '.join(own)}), but the dataset has "
        f"{len(expected)} ({', '.join(expected)})."
    )


def _refuse_renaming(path: str | Path | SceneFiles, scene: Raster, wanted: tuple[str, ...]) -> None:
    """Refuse other names for bands than those that a file itself gives to all of them.

    What GDAL takes for red, green and blue in a file without names is no such name.
    """
    described = [text for text in descriptions_of(scene.dataset) if text]
    if len(described) == scene.dataset.count and set(described) == set(scene.file_bands):
        raise DataError(
            f"{path}: names its bands {', '.join(described)}, but the dataset has "
            f"{', '.join(wanted)}.",
            "If these are the same, give the names in the order of the file: "
            "`images: {path: ..., bands: [...]}`.",
        )


def described_bands(
    path: str | Path | SceneFiles, file_bands: tuple[str, ...], wanted: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the names that a dataset gives the bands of a file, from the first on.

    Bands that it does not use are called by their number. Nothing where it names none.

    Raises:
        DataError: The file has not the bands of the dataset.
    """
    if not file_bands and not wanted:
        return ()
    with open_raster(path) as scene:
        count = scene.dataset.count
        chosen = choose_bands(path, scene, file_bands, wanted)
    names = dict(zip(chosen[1], chosen[0], strict=True))
    return tuple(names.get(number, str(number)) for number in range(1, count + 1))


def refuse_nodata(nodata: float | None, dtype: str, path: Path) -> None:
    """Refuse a `nodata` of a description that can be no value of an image.

    Raises:
        DataError: The value cannot occur.
    """
    if nodata is not None and not can_hold(dtype, nodata):
        raise DataError(
            f"{path}: holds {dtype} values, which cannot be `nodata: {nodata:g}`.",
            "Leave `nodata` out of the description, or give the value that the files hold.",
        )


def refuse_absurd(path: Path, height: int, width: int, bands: int, dtype: str) -> None:
    """Refuse a raster whose header promises far more than its file can hold.

    Raises:
        DataError: The header promises too much.
    """
    promised = height * width * bands * np.dtype(dtype).itemsize
    if promised > _LARGEST_UNCHECKED and promised > _LARGEST_RATIO * path.stat().st_size:
        raise DataError(
            f"{path}: says it has {width} x {height} pixels, which its "
            f"{path.stat().st_size:,} bytes cannot hold."
        )


def agreeing(images: Sequence[ImageFacts]) -> tuple[list[ImageFacts], list[Problem]]:
    """Keep the images that have the bands and the value type of most; report the others."""
    kept, problems = list(images), list[Problem]()
    properties: tuple[tuple[str, Callable[[ImageFacts], Any]], ...] = (
        ("bands", lambda facts: ", ".join(facts.bands)),
        ("values", lambda facts: facts.dtype),
    )
    for what, of in properties:
        usual = _most_common([of(facts) for facts in kept])
        problems += [
            Problem(facts.pair.image, f"has {what} {of(facts)}, but most have {usual}")
            for facts in kept
            if of(facts) != usual
        ]
        kept = [facts for facts in kept if of(facts) == usual]
    return kept, problems


def common_nodata(images: Sequence[ImageFacts]) -> float | None:
    """Return the nodata value that all images share, if they do; tiles keep their own anyway."""
    values = {None if facts.nodata is None else str(facts.nodata) for facts in images}
    return images[0].nodata if len(values) == 1 else None


def _most_common(values: Sequence[str]) -> str:
    counts = Counter(values)
    # By count, then by name: never by chance.
    return min(counts, key=lambda value: (-counts[value], value), default="")
