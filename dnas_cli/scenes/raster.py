"""Reading rasters: bands by name or number, by window, with one answer to "is there data here?".

Values are read as stored. A scale and offset that the file declares are applied only when asked
for, because tiles keep stored values too and a network knows no others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio import windows
from rasterio._err import CPLE_BaseError
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError

from dnas_cli.errors import DataError
from dnas_cli.scenes.band_names import alpha_band, band_names, select_bands, wavelength
from dnas_cli.scenes.georeference import Georeference, georeference_of
from dnas_cli.scenes.on_grid import Grid
from dnas_cli.scenes.opening import cannot_open
from dnas_cli.scenes.pictures import in_colour, upright
from dnas_cli.scenes.scene_files import SceneFiles
from dnas_cli.scenes.stacking import open_scene_files, resampled
from dnas_cli.scenes.validity import are_measurements, can_hold, holds_nodata

RASTER_SUFFIXES = (
    ".tif", ".tiff", ".vrt", ".img", ".jp2", ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ntf",
    ".zarr", ".nc", ".nc4", ".h5", ".hdf5", ".he5",
)  # fmt: skip
"""What the rasters in a folder end with; a file that is named may end with anything."""

_ROWS, _COLUMNS = 512, 4096  # read at once when a whole file is looked through
_MOST_BANDS = 4096  # hyperspectral sensors have some hundred


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels that lies inside a raster."""

    row: int
    column: int
    height: int
    width: int

    @property
    def in_file(self) -> windows.Window:
        """The same for rasterio."""
        return windows.Window(self.column, self.row, self.width, self.height)


@dataclass(frozen=True)
class StoredGrid:
    """Where the stored pixels of a raster lie, and how many there are."""

    georeference: Georeference
    height: int
    width: int


@contextmanager
def block_cache(size: int) -> Iterator[None]:
    """Bound the decoded blocks that GDAL keeps, in bytes; its default is 5 % of all memory."""
    with rasterio.Env(GDAL_CACHEMAX=size):
        yield


def open_raster(
    path: str | Path | SceneFiles,
    bands: Sequence[str | int] | None = None,
    nodata: float | None = None,
    scaled: bool = False,
    as_shown: bool = True,
    grid: Grid | None = None,
) -> "Raster":
    """Open a raster for reading.

    Args:
        path: A file, anything rasterio opens (`/vsicurl/...`, `s3://...`), or bands from several.
        bands: Bands in the wanted order, by name or 1-based number; all but alpha when missing.
            The number of an alpha band reads it as data, and then it masks nothing: GDAL calls
            the fourth band of many R G B NIR files alpha.
        nodata: Value that means "no data", in stored values; replaces the file's own.
        scaled: Apply the file's scale and offset; values are floats then (see `Raster.dtype`).
        as_shown: Turn pictures as their orientation tag says, and read palettes as red, green and
            blue; else everything is read as it is stored.
        grid: The grid to resample it to; the stored one when missing.

    Raises:
        DataError: The file cannot be opened, cannot be resampled, or holds complex numbers.
        UsageError: A wanted band does not exist.
    """
    dataset = open_scene_files(path)
    try:
        with header_errors(str(path)):
            stored = StoredGrid(georeference_of(dataset), dataset.height, dataset.width)
            if grid is not None:
                dataset = resampled(dataset, grid, nodata)
            shown = in_colour(upright(dataset)) if as_shown else dataset
            files = path.files if isinstance(path, SceneFiles) else ()
            return Raster(str(path), shown, bands, nodata, scaled, stored, files)
    except BaseException:
        dataset.close()
        raise


@contextmanager
def header_errors(path: str | Path) -> Iterator[None]:
    """Turn what GDAL raises as it is, while a header is looked at, into a message.

    Raises:
        DataError: The header is damaged.
    """
    try:
        yield
    except (CPLE_BaseError, UnicodeDecodeError) as error:
        raise cannot_open(path, error) from error


class OpenFile:
    """An open raster or label; use it as a context manager."""

    path: str
    height: int
    width: int
    dataset: Any

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.dataset.close()

    def windows(self) -> Iterator[Window]:
        """Yield windows of bounded size that cover the file from top to bottom."""
        height, width = self.height, self.width
        for row in range(0, height, _ROWS):
            for column in range(0, width, _COLUMNS):
                yield Window(row, column, min(_ROWS, height - row), min(_COLUMNS, width - column))

    @contextmanager
    def _reading(self, window: Window) -> Iterator[None]:
        try:
            yield
        except (RasterioError, OSError) as error:
            reason = str(error.__cause__ or error).rstrip(".")
            raise DataError(
                f"{self.path}: cannot be read at row {window.row}, column {window.column} "
                f"({reason}).",
                "The file is damaged or cut short; get a whole copy.",
            ) from error


class Raster(OpenFile):
    """An open raster.

    Attributes:
        width: Pixels per row.
        bands: Names of the selected bands, in order: the file's description, else its colour
            interpretation, else the 1-based number.
        file_bands: Names of all bands of the file but alpha.
        alpha_band: 1-based number of the band that the file calls alpha, if there is one.
        dtype: NumPy name of the values that `read` returns.
        stored_dtype: NumPy name of the values in the file.
        nodata: The value that means "no data", in stored values, if there is one.
        georeference: Where it lies.
        scales: Declared scale per selected band (1 where none is).
        offsets: Declared offset per selected band (0 where none is).
        has_mask: Whether a mask or an alpha band says which pixels hold data.
        files: The files that its bands are put together from; none of a raster in one file.
        stored: The grid of the file, which is another one where the raster is resampled.
    """

    def __init__(
        self,
        path: str,
        dataset: Any,
        bands: Sequence[str | int] | None = None,
        nodata: float | None = None,
        scaled: bool = False,
        stored: StoredGrid | None = None,
        files: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self.dataset = dataset
        self.width: int = dataset.width
        self.height: int = dataset.height
        if not dataset.indexes:
            raise _no_bands(path, dataset)
        if dataset.count > _MOST_BANDS:
            raise DataError(f"{path}: says it has {dataset.count:,} bands, which no scene has.")
        alpha = alpha_band(dataset)
        numbers = [index for index in dataset.indexes if index != alpha] or [1]
        names = band_names(dataset, numbers)
        self.file_bands = tuple(names)
        self._numbers = select_bands(path, numbers, names, alpha, bands)
        self.bands = tuple(
            names[numbers.index(number)] if number in numbers else str(number)
            for number in self._numbers
        )
        # Whoever asks for the alpha band by number knows that it holds something else.
        self.alpha_band = alpha
        self._alpha = None if alpha in self._numbers else alpha
        kinds = {dataset.dtypes[number - 1] for number in self._numbers}
        if any(np.dtype(_numpy_name(kind)).kind == "c" for kind in kinds):
            raise DataError(
                f"{path}: holds complex numbers ({', '.join(sorted(kinds))}).",
                "Convert it to amplitude or intensity first; networks read real values.",
            )
        self.stored_dtype = str(np.result_type(*(np.dtype(_numpy_name(kind)) for kind in kinds)))
        self.scales = tuple(float(dataset.scales[number - 1]) for number in self._numbers)
        self.offsets = tuple(float(dataset.offsets[number - 1]) for number in self._numbers)
        self._scaled = scaled and self.declares_scale
        self.dtype = self._scaled_dtype() if self._scaled else self.stored_dtype
        declared = [
            value if value is not None and can_hold(self.stored_dtype, value) else None
            for value in (dataset.nodatavals[number - 1] for number in self._numbers)
        ]
        self._nodata = [nodata] * len(self._numbers) if nodata is not None else declared
        self.nodata: float | None = self._nodata[0]
        self.has_mask = self._finds_mask()
        self.georeference = georeference_of(dataset)
        self.stored = stored or StoredGrid(self.georeference, self.height, self.width)
        self.files = files

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the file, in the same words for every file of a kind."""
        pages = len(self.dataset.subdatasets)
        return (f"holds {pages} pages; only the first one is read",) if pages > 1 else ()

    @property
    def is_resampled(self) -> bool:
        """Whether it is read on another grid than that of the file."""
        return (self.height, self.width) != (self.stored.height, self.stored.width)

    @property
    def wavelengths(self) -> tuple[float | None, ...]:
        """Nanometres of every selected band, where the file says them."""
        return tuple(
            wavelength(self.dataset, number, name)
            for number, name in zip(self._numbers, self.bands, strict=True)
        )

    @property
    def declares_scale(self) -> bool:
        """Whether the file says that its values are to be scaled or shifted."""
        return any(scale != 1 for scale in self.scales) or any(shift != 0 for shift in self.offsets)

    @property
    def is_scaled(self) -> bool:
        """Whether scale and offset are applied; then `dtype` is what the values need."""
        return self._scaled

    @property
    def has_validity(self) -> bool:
        """Whether any pixel can be invalid: nodata, a mask or alpha, or numbers that can be NaN."""
        may_be_nan = np.dtype(self.stored_dtype).kind == "f"
        return may_be_nan or self.has_mask or any(value is not None for value in self._nodata)

    def read(self, window: Window) -> npt.NDArray[Any]:
        """Read the selected bands: (B, h, w) in `dtype`.

        Raises:
            DataError: The file is damaged there.
        """
        values = self._read(self._numbers, window)
        return self._scale(values) if self._scaled else values

    def valid(self, window: Window) -> npt.NDArray[np.bool_]:
        """Return which pixels hold data: (h, w).

        A pixel holds none where the mask or alpha says so, where any band is no finite number or
        one that nothing measures (see `are_measurements`), or where bands hold the nodata value
        (see `holds_nodata`).
        """
        return self.read_with_validity(window)[1]

    def read_with_validity(self, window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Read `read(window)` and `valid(window)` in one go."""
        return self._read_with_validity(window, None)

    def preview(self, longest: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Read a reduced picture of the whole scene, with overviews where the file has them.

        Args:
            longest: Most pixels on the longer side of the result.

        Returns:
            Values (B, h, w) in `dtype` and the pixels that hold data (h, w).
        """
        ratio = max(1.0, max(self.height, self.width) / longest)
        shape = (max(1, round(self.height / ratio)), max(1, round(self.width / ratio)))
        whole = Window(0, 0, self.height, self.width)
        return self._read_with_validity(whole, shape)

    def _read_with_validity(
        self, window: Window, shape: tuple[int, int] | None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        values = self._read(self._numbers, window, shape)
        valid = ~holds_nodata(values, self._nodata)
        if self.has_mask:
            valid &= self._mask(window, shape)
        if self._scaled:
            values = self._scale(values)
        return values, valid & are_measurements(values)

    def _read(
        self, numbers: Sequence[int], window: Window, shape: tuple[int, int] | None = None
    ) -> npt.NDArray[Any]:
        out_shape = None if shape is None else (len(numbers), *shape)
        with self._reading(window):
            values: npt.NDArray[Any] = self.dataset.read(
                list(numbers), window=window.in_file, out_shape=out_shape
            )
        return values

    def _mask(self, window: Window, shape: tuple[int, int] | None = None) -> npt.NDArray[np.bool_]:
        with self._reading(window):
            if self._alpha is not None:
                # Read the band itself: GDAL squeezes 16-bit alpha into 8 bits.
                alpha = self.dataset.read(self._alpha, window=window.in_file, out_shape=shape)
                return np.asarray(alpha > 0)
            flags = self.dataset.mask_flag_enums[self._numbers[0] - 1]
            shared = MaskFlags.per_dataset in flags
            numbers = self._numbers[:1] if shared else self._numbers
            out_shape = None if shape is None else (len(numbers), *shape)
            masks = self.dataset.read_masks(numbers, window=window.in_file, out_shape=out_shape)
        return np.asarray((masks > 0).all(axis=0))

    def _finds_mask(self) -> bool:
        if self._alpha is not None:
            return True
        flags = [set(self.dataset.mask_flag_enums[number - 1]) for number in self._numbers]
        no_mask = {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}
        return any(not flag & no_mask for flag in flags)

    def _scaled_dtype(self) -> str:
        """Return the type that holds scaled values; float32 has 24 bits."""
        steps = zip(self.scales, self.offsets, strict=True)
        is_far = any(abs(offset) >= 2**24 * abs(scale) for scale, offset in steps)
        return "float64" if is_far else str(np.result_type(self.stored_dtype, np.float32))

    def _scale(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        scales = np.array(self.scales)[:, None, None]
        offsets = np.array(self.offsets)[:, None, None]
        with np.errstate(over="ignore"):  # of values that are no measurements
            return np.asarray(values * scales + offsets, self.dtype)


def _numpy_name(dtype: str) -> str:
    # GDAL's complex integers have no counterpart in NumPy; they read as complex64.
    return "complex64" if dtype == "complex_int16" else dtype


def _no_bands(path: str, dataset: Any) -> DataError:
    parts = list(dataset.subdatasets)
    if parts:
        return DataError(
            f"{path}: holds {len(parts)} rasters, none of them its own.",
            f"Name one of them, for example {parts[0]}",
        )
    return DataError(f"{path}: holds no bands.")
