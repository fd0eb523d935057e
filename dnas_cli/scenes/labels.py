"""Label rasters to class indices: the one place that decides what a pixel's label is.

Colours are matched exactly, values by the encoding. A pixel that the label's own mask, alpha,
transparent palette entry, NaN or nodata takes out has no label, whatever else it holds. Palette
images are read through their colours where labels are colours: the palettes of one dataset can
differ from file to file, so the stored index says nothing.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp, MaskFlags

from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.label_encoding import LabelEncoding, colour_encoding
from dnas_cli.scenes.opening import open_dataset
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.pictures import colour_table, upright
from dnas_cli.scenes.raster import OpenFile, Window, header_errors
from dnas_cli.scenes.validity import can_hold


def open_label(path: str | Path, encoding: LabelEncoding) -> "LabelRaster":
    """Open a label raster for reading.

    Raises:
        DataError: The file cannot be opened, or its bands do not fit the encoding.
    """
    label = _opened(path, encoding)
    try:
        label.refuse_misfit()
    except BaseException:
        label.close()
        raise
    return label


def open_any_label(path: str | Path, classes: tuple[LandClass, ...]) -> "LabelRaster":
    """Open a label raster to see what it holds, however it is written.

    Raises:
        DataError: The file cannot be opened.
    """
    return _opened(path, colour_encoding(classes))


def _opened(path: str | Path, encoding: LabelEncoding) -> "LabelRaster":
    dataset = open_dataset(path, "a label raster")
    try:
        with header_errors(path):
            return LabelRaster(str(path), upright(dataset), encoding)
    except BaseException:
        dataset.close()
        raise


class LabelRaster(OpenFile):
    """An open label raster.

    Attributes:
        width: Pixels per row.
        form: `grey` (one band of numbers), `palette`, `colour` (red, green, blue), or `other`.
        encoding: How it says which class a pixel has.
        alpha: Number of the alpha band, if there is one.
    """

    def __init__(
        self, path: str, dataset: Any, encoding: LabelEncoding, notes: tuple[str, ...] = ()
    ) -> None:
        self.path = path
        self._notes = notes
        self.dataset = dataset
        self.width: int = dataset.width
        self.height: int = dataset.height
        self.alpha = _alpha_band(dataset)
        count = dataset.count - (self.alpha is not None)
        self._table = colour_table(dataset) if count == 1 else None
        self.form = _form(count, self.alpha is not None, self._table is not None)
        grey = self.form == "grey"
        self.encoding = encoding.for_grey(dataset.dtypes[0]) if grey else encoding
        self._bands = [1, 2, 3] if self.form == "colour" else [1]
        flags = dataset.mask_flag_enums[0] if dataset.count else [MaskFlags.all_valid]
        self._has_mask = not {*flags} & {
            MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha,
        }  # fmt: skip

    def refuse_misfit(self) -> None:
        """Refuse bands that the encoding does not go with.

        Raises:
            DataError: The bands do not fit the encoding.
        """
        dtypes = self.dataset.dtypes
        if self.encoding.kind == "index":
            if self.form not in ("grey", "palette") or np.dtype(dtypes[0]).kind not in "iuf":
                raise DataError(
                    f"{self.path}: has {self.dataset.count} bands of {dtypes[:1]}, but an index "
                    "label has one band of numbers.",
                    "Set `label_kind: colour` in the dataset description if the classes are "
                    "colours.",
                )
        elif any(dtype != "uint8" for dtype in dtypes) or not dtypes:
            raise DataError(
                f"{self.path}: holds {', '.join(sorted(set(dtypes)))} values, but a colour label "
                "has 8-bit bands.",
                "Set `label_kind: index` in the dataset description if the values are classes.",
            )
        elif self.form == "other":
            raise DataError(
                f"{self.path}: has {len(dtypes)} bands, but a colour label has 1, 3 or 4."
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the file, in the same words for every file of a kind."""
        notes = [*self._notes]
        clash = self._class_of_nodata()
        if clash is not None:
            nodata, name = self.dataset.nodatavals[0], self.encoding.classes[clash].name
            notes.append(
                f"declares nodata {nodata:g}, which is also the class {name!r}: such pixels count "
                "as unlabelled; if they are labelled, take nodata out of the file "
                "(`gdal_edit.py -unsetnodata FILE`)"
            )
        pages = len(self.dataset.subdatasets)
        if pages > 1:
            notes.append(f"holds {pages} pages; only the first one is read")
        return tuple(notes)

    def read(self, window: Window) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read class indices.

        Returns:
            (h, w) class indices with 255 where there is no label, and the pixels (h, w) whose
            colour or value is neither a class nor declared as "no label".

        Raises:
            DataError: The file is damaged there.
        """
        stored, valid = self.stored(window)
        if self.encoding.kind == "colour":
            indices, unknown = self.encoding.from_colours(self.shown(stored))
        else:
            indices, unknown = self.encoding.from_values(stored)
        indices[~valid] = IGNORE
        return indices, unknown & valid

    def stored(self, window: Window) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Read what the file holds: values (h, w) or colours (h, w, 3), and valid pixels (h, w).

        Raises:
            DataError: The file is damaged there.
        """
        bounds = window.in_file
        with self._reading(window):
            bands = self.dataset.read(self._bands, window=bounds)  # (B, h, w)
            valid = ~self._holds_nodata(bands)
            if self.alpha is not None:
                valid &= self.dataset.read(self.alpha, window=bounds) > 0
            elif self._has_mask:
                valid &= self.dataset.read_masks(1, window=bounds) > 0
        if self._table is not None:
            valid &= self._table[bands[0], 3] > 0
        return (np.moveaxis(bands, 0, -1) if self.form == "colour" else bands[0]), valid

    def shown(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Return stored values as the colours (h, w, 3) that a viewer shows for them."""
        if self.form == "colour":
            return stored
        if self._table is not None:
            return np.asarray(self._table[stored, :3])
        bits = int(self.dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))
        grey = stored if bits >= 8 else np.round(stored * (255 / (2**bits - 1))).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)

    def most_unknown(self, limit: int = 3) -> list[tuple[str, int]]:
        """Return the most frequent unknown colours or values of the file, with their pixels."""
        found: Counter[tuple[int, ...]] = Counter()
        for window in self.windows():
            _, unknown = self.read(window)
            values, _ = self.stored(window)
            values = self.shown(values) if self.encoding.kind == "colour" else values
            distinct, counts = np.unique(
                values[unknown].reshape(int(unknown.sum()), -1), axis=0, return_counts=True
            )
            for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
                found[tuple(value)] += count
        return [
            (f"({', '.join(map(str, value))})" if len(value) > 1 else f"{value[0]:g}", count)
            for value, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:limit]
        ]

    def unknown_values(self) -> str:
        """Name the most frequent unknown colours or values with their share."""
        pixels = self.width * self.height
        return ", ".join(f"{value} on {count / pixels:.1%}" for value, count in self.most_unknown())

    def _class_of_nodata(self) -> int | None:
        nodata = [
            self.dataset.nodatavals[number - 1] for number in self._bands[: self.dataset.count]
        ]
        dtype = self.dataset.dtypes[0]
        if not nodata or any(value is None or not can_hold(dtype, value) for value in nodata):
            return None
        if self.encoding.kind == "index":
            return self.encoding.class_of_value.get(nodata[0])
        if self.form == "palette" or not all(0 <= value <= 255 for value in nodata):
            return None
        shown = self.shown(np.array([[nodata if self.form == "colour" else nodata[0]]], np.uint8))
        red, green, blue = shown[0, 0].tolist()
        return self.encoding.class_of_colour.get((red, green, blue))

    def _holds_nodata(self, bands: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return which pixels (h, w) are not numbers, or nodata in every band."""
        nodata = [self.dataset.nodatavals[number - 1] for number in self._bands]
        outside = np.zeros(bands.shape[1:], np.bool_)
        if bands.dtype.kind == "f":
            outside |= ~np.isfinite(bands).all(axis=0)
        if all(value is not None and can_hold(bands.dtype.name, value) for value in nodata):
            same = [
                band == (bands.dtype.type(value) if bands.dtype.kind == "f" else value)
                for band, value in zip(bands, nodata, strict=True)
            ]
            outside |= np.logical_and.reduce(same)
        return outside


def _alpha_band(dataset: Any) -> int | None:
    if dataset.count > 1 and dataset.colorinterp[-1] == ColorInterp.alpha:
        return int(dataset.count)
    return None


def _form(
    count: int, has_alpha: bool, has_palette: bool
) -> Literal["grey", "palette", "colour", "other"]:
    """Return the form of a label of so many bands, alpha left out."""
    if count == 1:
        return "palette" if has_palette else "grey"
    return "colour" if count == 3 or (count == 4 and not has_alpha) else "other"
