"""What changed between two maps of one place: transitions as a map of their own."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli import __version__
from dnas_cli.claimed_outputs import claim_outputs, writing_outputs
from dnas_cli.errors import DataError, UsageError
from dnas_cli.files import make_folder, write_csv
from dnas_cli.mapping.change_options import ChangeOptions
from dnas_cli.mapping.outputs import TIFF_SUFFIXES
from dnas_cli.mapping.unfinished_map import remove_map_leftovers
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.facts import map_classes
from dnas_cli.scenes.ground import pixel_areas
from dnas_cli.scenes.layer_files import SUFFIXES as POLYGON_SUFFIXES
from dnas_cli.scenes.map_values import index_values
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.polygons import PolygonOptions, check_place, require_libraries, write_polygons
from dnas_cli.scenes.qgis_style import write_raster_style
from dnas_cli.scenes.raster import Raster, Window, open_raster
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.writers import beside_geotiff, write_cog, write_draft, write_sidecar
from dnas_cli.scratch_folder import scratch_folder

UNCHANGED = LandClass("unchanged", (235, 235, 235))
CAUTION = (
    "Two maps compared overstate change: an error of either map counts as change. "
    "Estimate areas of change from a probability sample."
)
_MOST_CLASSES = 15  # 15 * 14 transitions and `unchanged` are values of 8 bits
_SAME_PLACE = 0.1  # pixels


@dataclass(frozen=True)
class Transition:
    """Pixels of one class in the old map and one in the new."""

    old: str
    new: str
    pixels: int
    share: float
    hectares: float | None


@dataclass(frozen=True)
class Change:
    """What changed.

    Attributes:
        transitions: All that occur, unchanged classes included, most frequent first.
        pixels: Pixels that are compared.
        unsure: Pixels that are left out for their confidence.
        caution: What a reader must know of it.
    """

    files: tuple[Path, ...]
    transitions: tuple[Transition, ...]
    pixels: int
    unsure: int
    caution: str = CAUTION

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "files": [str(path) for path in self.files]}


def find_change(
    old_map: Path, new_map: Path, out: Sequence[Path], options: ChangeOptions
) -> Change:
    """Compare two maps pixel by pixel and write their transitions, in bounded memory.

    Args:
        old_map: The earlier map, a GeoTIFF of `dnas predict`.
        new_map: The later one, of the same classes and on the same grid.
        out: The transitions: a GeoTIFF, and polygons where a second file is named.
        options: See `ChangeOptions`.

    Raises:
        DataError: A map names no classes, or they have other classes or another grid.
        RunStateError: An output exists.
        UsageError: A form cannot be written.
    """
    for path in out:
        if path.suffix.lower() not in (*TIFF_SUFFIXES, *POLYGON_SUFFIXES):
            raise UsageError(f"{path}: must be a .tif, .gpkg or .geojson.")
    files = (*out, *([options.table] if options.table else []))
    claim_outputs(files, options.overwrite)
    polygons = [path for path in out if path.suffix.lower() in POLYGON_SUFFIXES]
    if polygons:
        require_libraries()
    classes = _shared_classes(old_map, new_map)
    values = transition_classes(classes)
    with (
        open_raster(old_map, as_shown=False) as old,
        open_raster(new_map, as_shown=False) as new,
    ):
        _check_grid(old, new)
        for path in polygons:
            check_place(str(old_map), path, old.georeference)
        rasters = [
            _confidence(path, old) for path in (options.old_confidence, options.new_confidence)
        ]
        try:
            compare = _Comparison(old, new, rasters, len(classes), options.min_confidence)
            make_folder(out[0].parent)
            with writing_outputs(files), scratch_folder(out[0]) as folder:
                draft = folder / "map.tif"
                rows = Rows(1, old.height, old.width, compare.rows)
                tags = {"DNAS_VERSION": __version__, "DNAS_CAUTION": CAUTION}
                write_draft(draft, rows, values, old.georeference, tags)
                counts, areas, unsure = compare.counted()
                for path in out:
                    if path not in polygons:
                        remove_map_leftovers(path)
                        place = beside_geotiff(path, str(old_map), old.georeference)
                        write_sidecar(path, values, index_values(len(values), None), place)
                        write_raster_style(path, values, index_values(len(values), None))
                        write_cog(draft, path, "MODE")
                if polygons:
                    write_polygons(
                        draft, polygons, values, old.georeference, PolygonOptions(), tags
                    )
                transitions = _transitions(counts, classes, areas)
                if options.table is not None:
                    write_csv(options.table, table_of_transitions(transitions))
        finally:
            for raster in filter(None, rasters):
                raster.close()
    return Change(files, transitions, int(counts.sum()), unsure)


def transition_classes(classes: tuple[LandClass, ...]) -> tuple[LandClass, ...]:
    """Return what the values of a map of transitions mean: 0 is unchanged.

    A transition has the colour of the class that it leads to.
    """
    return (
        UNCHANGED,
        *(
            LandClass(f"{old.name} to {new.name}", new.colour)
            for old in classes
            for new in classes
            if old is not new
        ),
    )


class _Comparison:
    """Two open maps, compared a few rows at a time."""

    def __init__(
        self, old: Raster, new: Raster, sure: list[Raster | None], classes: int, least: float
    ) -> None:
        self._old, self._new, self._sure, self._classes = old, new, sure, classes
        self._least = round(least * 254)
        codes = np.zeros((classes, classes), np.uint8)
        codes[~np.eye(classes, dtype=bool)] = np.arange(1, classes * (classes - 1) + 1)
        self._codes = codes

    def rows(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Return rows of transitions (1, stop - start, W)."""
        old, new, valid, _ = self._read(start, stop)
        result = np.full(valid.shape, IGNORE, np.uint8)
        result[valid] = self._codes[old[valid], new[valid]]
        return result[None]

    def counted(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64] | None, int]:
        """Return pixels and square metres of each pair of classes, and the pixels left out.

        Pixels are left out for their confidence; maps without a place have no square metres.
        """
        shape = (self._classes, self._classes)
        counts, unsure = np.zeros(shape, np.int64), 0
        areas: npt.NDArray[np.float64] | None = np.zeros(shape)
        for start in range(0, self._old.height, 512):
            old, new, valid, left_out = self._read(start, min(start + 512, self._old.height))
            pairs = old[valid].astype(np.int64) * self._classes + new[valid]
            counts += np.bincount(pairs, minlength=counts.size).reshape(shape)
            unsure += left_out
            ground = pixel_areas(self._old.georeference, start, *valid.shape)
            if areas is None or ground is None:
                areas = None
            else:
                areas += np.bincount(pairs, ground[valid], minlength=counts.size).reshape(shape)
        return counts, areas, unsure

    def _read(
        self, start: int, stop: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.bool_], int]:
        window = Window(start, 0, stop - start, self._old.width)
        (old, in_old), (new, in_new) = (
            raster.read_with_validity(window) for raster in (self._old, self._new)
        )
        known = in_old & in_new & (old[0] < self._classes) & (new[0] < self._classes)
        valid = known.copy()
        for raster in filter(None, self._sure):
            shares, has_share = raster.read_with_validity(window)
            valid &= has_share & (shares[0] >= self._least)
        return old[0], new[0], valid, int(known.sum() - valid.sum())


def _shared_classes(old: Path, new: Path) -> tuple[LandClass, ...]:
    first, second = map_classes(str(old)), map_classes(str(new))
    if [item.name for item in first] != [item.name for item in second]:
        raise DataError(
            f"{old} and {new}: have other classes ({', '.join(item.name for item in first)}; "
            f"{', '.join(item.name for item in second)}).",
            "Map both scenes with one model, or with models of the same classes.",
        )
    if len(first) > _MOST_CLASSES:
        raise DataError(f"{old}: has {len(first)} classes; transitions of {_MOST_CLASSES} fit.")
    return first


def _check_grid(old: Raster, new: Raster) -> None:
    one, other = old.georeference, new.georeference
    same = (old.height, old.width) == (new.height, new.width)
    if one.transform is not None and other.transform is not None:
        a, b, _, d, e, _ = one.transform
        pixel = np.hypot(a, d), np.hypot(b, e)
        shift = np.abs(np.subtract(one.transform, other.transform))
        turned = max(shift[0], shift[3]) * old.width + max(shift[1], shift[4]) * old.height
        same = same and max(shift[2], shift[5]) + turned < _SAME_PLACE * min(pixel)
    same = (
        same
        and one.crs_wkt == other.crs_wkt
        and (one.transform is None) == (other.transform is None)
    )
    if not same:
        raise DataError(
            f"{new.path}: is not on the grid of {old.path}.",
            "Bring it there first: gdalwarp -r near -te ... -tr ... (or rio warp --like).",
        )


def _confidence(path: Path | None, like: Raster) -> Raster | None:
    if path is None:
        return None
    raster = open_raster(path)
    if (raster.height, raster.width) != (like.height, like.width):
        raster.close()
        raise DataError(f"{path}: has another size than {like.path}.")
    return raster


def _transitions(
    counts: npt.NDArray[np.int64],
    classes: tuple[LandClass, ...],
    areas: npt.NDArray[np.float64] | None,
) -> tuple[Transition, ...]:
    total = max(int(counts.sum()), 1)
    found = [
        Transition(
            old.name,
            new.name,
            pixels,
            pixels / total,
            None if areas is None else float(areas[i, j]) / 1e4,
        )
        for i, old in enumerate(classes)
        for j, new in enumerate(classes)
        if (pixels := int(counts[i, j]))
    ]
    return tuple(sorted(found, key=lambda item: -item.pixels))


def table_of_transitions(transitions: tuple[Transition, ...]) -> list[list[object]]:
    """Return the transitions as rows of a table, below their heads."""
    rows: list[list[object]] = [["old", "new", "pixels", "share", "hectares"]]
    for item in transitions:
        hectares = "" if item.hectares is None else f"{item.hectares:.6g}"
        rows.append([item.old, item.new, item.pixels, f"{item.share:.6f}", hectares])
    return rows
