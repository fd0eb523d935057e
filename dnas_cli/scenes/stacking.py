"""Opening a scene: one file, bands of several files, or variables of a NetCDF or HDF5 file.

The bands of several files become one dataset on the finest of their grids; the others are
resampled to it.
"""

import math
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import CRSError, RasterioError
from rasterio.windows import Window

from dnas_cli.errors import DataError
from dnas_cli.scenes.georeference import refuse_no_size
from dnas_cli.scenes.on_grid import Grid, OnGrid
from dnas_cli.scenes.opening import is_container, open_dataset, open_variable, variables_of
from dnas_cli.scenes.scene_files import BandFile, SceneFiles

_SAME = 0.1  # of a pixel; grids that differ by less are one


def open_scene_files(scene: str | Path | SceneFiles) -> Any:
    """Open a scene as one dataset.

    Raises:
        DataError: A file cannot be opened, or files have no place in common.
    """
    if isinstance(scene, SceneFiles):
        return open_scene_files(scene.files[0]) if scene.is_one_file else _stacked(scene)
    return _stacked(_in_container(scene)) if is_container(scene) else open_dataset(scene)


def resampled(dataset: Any, grid: Grid, nodata: float | None) -> Any:
    """Return an open dataset on another grid: averages where it is coarser, palettes by nearest.

    Raises:
        DataError: It cannot be resampled.
    """
    is_palette = ColorInterp.palette in dataset.colorinterp
    by = Resampling.nearest if is_palette else Resampling.bilinear
    if isinstance(dataset, _Stack):
        return dataset.resampled(grid, nodata)
    try:
        return OnGrid(dataset, grid, by, nodata=nodata)
    except (RasterioError, CRSError, ValueError) as error:
        raise DataError(f"{dataset.name}: cannot be resampled ({error}).") from error


def _in_container(path: str | Path) -> SceneFiles:
    """Return the variables of a file as bands: those with the most pixels, or with a place."""
    parts, sizes, placed = [], [], []
    for variable in variables_of(path):
        with closing(open_variable(path, variable)) as dataset:
            many = dataset.count > 1
            for number in dataset.indexes:
                name = f"{variable}_{number}" if many else variable
                parts.append(BandFile((name,), str(path), variable, number))
                sizes.append(dataset.width * dataset.height)
                placed.append(not dataset.transform.is_identity)
    if not parts:
        raise DataError(f"{path}: holds no variable of rows and columns.")
    kept = [
        part
        for part, size, has_place in zip(parts, sizes, placed, strict=True)
        if size == max(sizes) or has_place
    ]
    return SceneFiles(str(path), tuple(kept))


def _stacked(scene: SceneFiles) -> "_Stack":
    with ExitStack() as stack:
        opened: dict[tuple[str, str], Any] = {}
        for part in scene.parts:
            key = part.path, part.variable
            if key not in opened:
                opened[key] = dataset = (
                    open_variable(part.path, part.variable)
                    if part.variable
                    else open_dataset(part.path)
                )
                stack.callback(dataset.close)
                refuse_no_size(dataset)
            if part.number not in opened[key].indexes:
                raise DataError(f"{part.place}: has no band {part.number}.")
        finest = _finest(list(opened.values()))
        placed = {key: _laid_over(dataset, finest, scene) for key, dataset in opened.items()}
        layers = [(placed[part.path, part.variable], part.number) for part in scene.parts]
        result = _Stack(finest, layers, [part.names[0] for part in scene.parts])
        stack.pop_all()
        return result
    raise AssertionError  # an exit stack passes errors on


def _finest(datasets: Sequence[Any]) -> Any:
    """Return the dataset with the smallest pixels; of those within a hundredth the largest one.

    Where pixels cannot be compared it is the one with the most.
    """
    in_one_crs = len({str(dataset.crs) for dataset in datasets}) == 1
    if not in_one_crs or any(dataset.transform.is_identity for dataset in datasets):
        return max(datasets, key=lambda dataset: dataset.width * dataset.height)

    def order(dataset: Any) -> tuple[float, int]:
        area = abs(dataset.transform.determinant)
        return round(math.log(area), 2), -dataset.width * dataset.height

    return min(datasets, key=order)


def _laid_over(dataset: Any, finest: Any, scene: SceneFiles) -> Any:
    """Return a dataset on the grid of the finest one of its scene."""
    same_size = dataset.shape == finest.shape
    if dataset is finest or (same_size and dataset.transform.is_identity):
        return dataset
    if dataset.transform.is_identity or finest.transform.is_identity:
        raise DataError(
            f"{dataset.name}: has {dataset.width} x {dataset.height} pixels and no place, but "
            f"other bands of {scene.name} have {finest.width} x {finest.height}."
        )
    if bool(dataset.crs) != bool(finest.crs):
        raise DataError(f"{dataset.name}: says no CRS, or other bands of {scene.name} say none.")
    if same_size and dataset.crs == finest.crs and _is_same(dataset, finest):
        return dataset
    grid = Grid(
        finest.crs.to_wkt() if finest.crs else None,
        tuple(finest.transform)[:6],
        finest.height,
        finest.width,
    )
    return resampled(dataset, grid, None)


def _is_same(one: Any, other: Any) -> bool:
    # Both as matrices on pixel corners (column, row, 1).
    ends = np.array([(x, y, 1) for x in (0, one.width) for y in (0, one.height)], np.float64).T
    own, to_other = (np.reshape(by, (3, 3)) for by in (one.transform, ~other.transform))
    return bool((np.abs(to_other @ own @ ends - ends) <= _SAME).all())


class _Stack:
    """Bands of several datasets of one grid, as one dataset."""

    def __init__(self, first: Any, layers: Sequence[tuple[Any, int]], names: list[str]) -> None:
        self._first, self._layers = first, layers
        self.count = len(layers)
        self.indexes = tuple(range(1, self.count + 1))
        self.descriptions = tuple(names)
        self.subdatasets: list[str] = []
        self.colorinterp = (ColorInterp.undefined,) * self.count
        self.dtypes = self._of("dtypes")
        self.nodatavals = self._of("nodatavals")
        self.scales, self.offsets = self._of("scales"), self._of("offsets")
        # With flags that say nothing, the mask of every band is asked for.
        self.mask_flag_enums = tuple(
            [] if _is_masked(flags) else flags for flags in self._of("mask_flag_enums")
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._first, name)

    def resampled(self, grid: Grid, nodata: float | None) -> "_Stack":
        """Return the bands on another grid."""
        views = {id(raster): raster for raster, _ in self._layers}
        moved = {key: _moved(raster, grid, nodata) for key, raster in views.items()}
        layers = [(moved[id(raster)], number) for raster, number in self._layers]
        return _Stack(layers[0][0], layers, list(self.descriptions))

    def tags(self, number: int = 0, **options: Any) -> dict[str, str]:
        raster, own = self._layers[number - 1] if number else (self._first, 0)
        found: dict[str, str] = raster.tags(own, **options)
        return found

    def read(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        if isinstance(bands, int):
            raster, number = self._layers[bands - 1]
            values: npt.NDArray[Any] = raster.read(number, window=window, out_shape=out_shape)
            return values
        shape = out_shape and out_shape[-2:]
        return np.stack([self.read(band, window, shape) for band in bands])

    def read_masks(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        shape = out_shape and out_shape[-2:]
        if not isinstance(bands, int):
            return np.stack([self.read_masks(band, window, shape) for band in bands])
        raster, number = self._layers[bands - 1]
        if self.mask_flag_enums[bands - 1]:  # nodata is looked for in the values
            return np.full(shape or (window.height, window.width), 255, np.uint8)
        mask: npt.NDArray[Any] = raster.read_masks(number, window=window, out_shape=shape)
        return mask

    def close(self) -> None:
        for raster in {id(raster): raster for raster, _ in self._layers}.values():
            raster.close()

    def _of(self, name: str) -> tuple[Any, ...]:
        return tuple(getattr(raster, name)[number - 1] for raster, number in self._layers)


def _moved(raster: Any, grid: Grid, nodata: float | None) -> Any:
    """Warp a part once: from its own grid, whatever grid the stack had."""
    return resampled(raster.dataset if isinstance(raster, OnGrid) else raster, grid, nodata)


def _is_masked(flags: Any) -> bool:
    return not {*flags} & {MaskFlags.all_valid, MaskFlags.nodata}
