"""Label rasters to class indices: colour labels by exact colour, index labels by value.

Palette images are read through their colours: the palettes of one dataset can differ from file to
file, so the stored index says nothing.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError

from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.opening import open_dataset, opened
from dnas_cli.scenes.palette import LandClass, colours_to_indices
from dnas_cli.scenes.raster import Window, header_errors

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)

_LABEL = "a label raster"
_ROWS = 512  # read at once when a whole file is looked through


@dataclass(frozen=True)
class LabelEncoding:
    """How a label raster says which class a pixel has.

    Attributes:
        kind: `colour` (RGB, RGBA, grey or palette image) or `index` (one band of numbers).
        classes: The classes; position is the class index.
        values: Index labels: the stored value of each class.
        ignored_values: Index labels: values that mean "no label".
        ignored_colours: Colour labels: colours that mean "no label".
    """

    kind: Literal["colour", "index"]
    classes: tuple[LandClass, ...]
    values: tuple[int, ...] = ()
    ignored_values: tuple[int, ...] = ()
    ignored_colours: tuple[Colour, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the encoding as plain data; the classes are kept elsewhere."""
        if self.kind == "colour":
            return {"kind": "colour", "ignore": [list(colour) for colour in self.ignored_colours]}
        return {"kind": "index", "values": list(self.values), "ignore": list(self.ignored_values)}

    @staticmethod
    def from_json(value: dict[str, Any], classes: tuple[LandClass, ...]) -> "LabelEncoding":
        """Build an encoding from plain data.

        Raises:
            ValueError: The data describe no encoding of these classes.
        """
        if value["kind"] == "colour":
            colours = tuple(_colour(colour) for colour in value["ignore"])
            return LabelEncoding("colour", classes, ignored_colours=colours)
        if value["kind"] != "index" or len(value["values"]) != len(classes):
            raise ValueError("a label encoding needs one value per class")
        values = tuple(int(number) for number in value["values"])
        return LabelEncoding("index", classes, values, tuple(int(n) for n in value["ignore"]))


def tile_encoding(classes: tuple[LandClass, ...]) -> LabelEncoding:
    """Return the encoding of label tiles: class indices as they are, 255 without label."""
    return LabelEncoding("index", classes, tuple(range(len(classes))), (IGNORE,))


def encoding_of(path: str | Path, classes: tuple[LandClass, ...]) -> LabelEncoding:
    """Tell how a label raster of known classes is to be read.

    One band without a palette holds class indices, 255 without label; anything else colours, black
    without label unless a class is black.

    Raises:
        DataError: The file cannot be opened.
    """
    with opened(path, _LABEL) as dataset:
        palette = dataset.count > 0 and dataset.colorinterp[0] == ColorInterp.palette
        if dataset.count == 1 and not palette:
            return tile_encoding(classes)
    black_is_a_class = any(item.colour == BLACK for item in classes)
    return LabelEncoding("colour", classes, ignored_colours=() if black_is_a_class else (BLACK,))


def open_label(path: str | Path, encoding: LabelEncoding) -> "LabelRaster":
    """Open a label raster for reading.

    Raises:
        DataError: The file cannot be opened, or its bands do not fit the encoding.
    """
    dataset = open_dataset(path, _LABEL)
    try:
        with header_errors(path):
            return LabelRaster(str(path), dataset, encoding)
    except BaseException:
        dataset.close()
        raise


class LabelRaster:
    """An open label raster; use it as a context manager.

    Attributes:
        path: The name it was opened by.
        width: Pixels per row.
        height: Rows.
    """

    def __init__(self, path: str, dataset: Any, encoding: LabelEncoding) -> None:
        self.path = path
        self.width: int = dataset.width
        self.height: int = dataset.height
        self._dataset = dataset
        self._encoding = encoding
        self._colormap: npt.NDArray[np.uint8] | None = None
        if encoding.kind == "index":
            self._bands = self._index_bands()
        else:
            self._bands = self._colour_bands()

    @property
    def is_grey(self) -> bool:
        """Whether the file has one band without colours."""
        return len(self._bands) == 1 and self._colormap is None

    def __enter__(self) -> "LabelRaster":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dataset.close()

    def read(self, window: Window) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read class indices.

        Returns:
            (h, w) class indices with 255 where there is no label, and the pixels (h, w) whose
            colour or value is neither a class nor declared as "no label".

        Raises:
            DataError: The file is damaged there.
        """
        values = self._read(window)
        if self._encoding.kind == "colour":
            return self._from_colours(values)
        return self._from_values(values)

    def most_unknown(self, limit: int = 3) -> list[tuple[str, int]]:
        """Return the most frequent unknown colours or values of the file, with their pixels."""
        found: Counter[tuple[int, ...]] = Counter()
        for row in range(0, self.height, _ROWS):
            window = Window(row, 0, min(_ROWS, self.height - row), self.width)
            _, unknown = self.read(window)
            values = self._read(window)[unknown]  # (n, 3) colours or (n,) values
            distinct, counts = np.unique(
                values.reshape(len(values), -1), axis=0, return_counts=True
            )
            for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
                found[tuple(value)] += count
        return [
            (f"({', '.join(map(str, value))})" if len(value) > 1 else str(value[0]), count)
            for value, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:limit]
        ]

    def _read(self, window: Window) -> npt.NDArray[Any]:
        """Read what is stored: colours (h, w, 3), or values (h, w)."""
        rows = (window.row, window.row + window.height)
        columns = (window.column, window.column + window.width)
        try:
            values = self._dataset.read(self._bands, window=(rows, columns))  # (B, h, w)
        except (RasterioError, OSError) as error:
            reason = str(error.__cause__ or error).rstrip(".")
            raise DataError(
                f"{self.path}: cannot be read at row {window.row}, column {window.column} "
                f"({reason}).",
                "The file is damaged or cut short; get a whole copy.",
            ) from error
        if self._encoding.kind == "index":
            return np.asarray(values[0])
        if self._colormap is not None:
            return np.asarray(self._colormap[values[0]])
        colours = np.moveaxis(values, 0, -1)  # (h, w, 1 or 3)
        return np.repeat(colours, 3, axis=-1) if colours.shape[-1] == 1 else colours

    def _from_colours(
        self, colours: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        # Ignored colours take part as classes of their own, which tells them from unknown ones.
        ignored = tuple(LandClass("", colour) for colour in self._encoding.ignored_colours)
        indices = colours_to_indices(colours, self._encoding.classes + ignored)
        unknown = indices == IGNORE
        if ignored:
            indices[indices >= len(self._encoding.classes)] = IGNORE
        return indices, unknown

    def _from_values(
        self, values: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        ignored = set(self._encoding.ignored_values)
        nodata = self._dataset.nodatavals[0]
        if values.dtype == np.uint8:
            return self._from_bytes(values, ignored | ({nodata} if nodata is not None else set()))
        indices = np.full(values.shape, IGNORE, np.uint8)
        known = np.zeros(values.shape, np.bool_)
        if nodata is not None:
            known |= np.isnan(values) if np.isnan(nodata) else values == nodata
        for value in ignored:
            known |= values == value
        for index, value in enumerate(self._encoding.values):
            here = values == value
            indices[here] = index
            known |= here
        return indices, ~known

    def _from_bytes(
        self, values: npt.NDArray[np.uint8], ignored: set[int]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        table = np.full(256, IGNORE, np.uint8)
        unknown = np.ones(256, np.bool_)
        for index, value in enumerate(self._encoding.values):
            if 0 <= value <= 255:
                table[value], unknown[value] = index, False
        unknown[[int(value) for value in ignored if 0 <= value <= 255]] = False
        return table[values], unknown[values]

    def _index_bands(self) -> list[int]:
        kinds = np.dtype(self._dataset.dtypes[0]).kind if self._dataset.count else "?"
        if self._dataset.count != 1 or kinds not in "iuf":
            raise DataError(
                f"{self.path}: has {self._dataset.count} bands of {self._dataset.dtypes[:1]}, but "
                "an index label has one band of numbers.",
                "Set `label_kind: colour` in the dataset description if the classes are colours.",
            )
        return [1]

    def _colour_bands(self) -> list[int]:
        if any(dtype != "uint8" for dtype in self._dataset.dtypes) or not self._dataset.count:
            raise DataError(
                f"{self.path}: holds {', '.join(sorted(set(self._dataset.dtypes)))} values, but a "
                "colour label has 8-bit bands.",
                "Set `label_kind: index` in the dataset description if the values are classes.",
            )
        count = self._dataset.count
        if count in (1, 2):
            if self._dataset.colorinterp[0] == ColorInterp.palette:
                self._colormap = _colour_table(self._dataset.colormap(1))
            return [1]
        if count in (3, 4):
            return [1, 2, 3]
        raise DataError(f"{self.path}: has {count} bands, but a colour label has 1, 3 or 4.")


def _colour_table(colormap: dict[int, tuple[int, ...]]) -> npt.NDArray[np.uint8]:
    table = np.zeros((256, 3), np.uint8)
    for index, colour in colormap.items():
        table[index] = colour[:3]
    return table


def _colour(value: Any) -> Colour:
    red, green, blue = (int(channel) for channel in value)
    return red, green, blue
