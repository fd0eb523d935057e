"""Pictures as they are shown: turned by their orientation tag, palettes as red, green and blue.

Both are views of an open dataset that read as a dataset does: whoever opens a raster need not know.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

_ORIENTATION = 0x0112
# What brings a stored picture into the shown one: transpose, then flip rows, then flip columns.
_TURNS = {
    2: (False, False, True), 3: (False, True, True), 4: (False, True, False),
    5: (True, False, False), 6: (True, False, True), 7: (True, True, True), 8: (True, True, False),
}  # fmt: skip


def upright(dataset: Any) -> Any:
    """Return a dataset turned as its orientation tag says; itself where there is nothing to turn.

    A raster with a place is never turned: its transform belongs to the stored pixels.
    """
    turn = _TURNS.get(_orientation(dataset))
    return dataset if turn is None else _Turned(dataset, *turn)


def in_colour(dataset: Any) -> Any:
    """Return a palette picture as red, green and blue; anything else, and grey ramps, as it is."""
    table = colour_table(dataset) if dataset.count in (1, 2) else None
    if table is None:
        return dataset
    ramp = np.arange(len(table), dtype=np.uint8)[:, None]
    return dataset if (table[:, :3] == ramp).all() else _Coloured(dataset, table)


def colour_table(dataset: Any) -> npt.NDArray[np.uint8] | None:
    """Return red, green, blue and alpha (n, 4) of every value of a palette picture's first band.

    Values that the palette does not hold are opaque black. None where the band is no palette, or
    is called one and has no colours: its values are all that there is to show.
    """
    if dataset.colorinterp[0] != ColorInterp.palette:
        return None
    try:
        entries = dataset.colormap(1)
    except ValueError:  # it has none
        entries = {}
    if not entries:
        return None
    table = np.zeros((max(256, *(value + 1 for value in entries)), 4), np.uint8)
    table[:, 3] = 255
    table[list(entries)] = np.clip([*entries.values()], 0, 255)
    return table


class _Turned:
    """A dataset turned by quarter turns or mirrored."""

    def __init__(self, dataset: Any, transpose: bool, rows: bool, columns: bool) -> None:
        self._dataset, self._transpose, self._rows, self._columns = (
            dataset, transpose, rows, columns,
        )  # fmt: skip
        shape = dataset.shape[::-1] if transpose else dataset.shape
        self.shape: tuple[int, int] = shape
        self.height, self.width = shape

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def read(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        return self._read(self._dataset.read, bands, window, out_shape)

    def read_masks(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        return self._read(self._dataset.read_masks, bands, window, out_shape)

    def _read(self, read: Any, bands: Any, window: Window, shape: Any) -> npt.NDArray[Any]:
        rows, columns = window.toranges()
        if self._rows:
            rows = (self.height - rows[1], self.height - rows[0])
        if self._columns:
            columns = (self.width - columns[1], self.width - columns[0])
        if self._transpose:
            rows, columns = columns, rows
            shape = shape and (*shape[:-2], shape[-1], shape[-2])
        values: npt.NDArray[Any] = read(bands, window=(rows, columns), out_shape=shape)
        values = values.swapaxes(-1, -2) if self._transpose else values
        values = values[..., ::-1, :] if self._rows else values
        values = values[..., ::-1] if self._columns else values
        return np.ascontiguousarray(values)


class _Coloured:
    """A palette picture as three bands; transparent entries hold no data."""

    def __init__(self, dataset: Any, table: npt.NDArray[np.uint8]) -> None:
        self._dataset, self._table = dataset, table
        flags = set(dataset.mask_flag_enums[0])
        self._has_mask = bool((table[:, 3] == 0).any()) or MaskFlags.all_valid not in flags
        self.count = 3
        self.indexes = (1, 2, 3)
        self.dtypes = ("uint8",) * 3
        self.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        self.descriptions = (None,) * 3
        self.nodatavals = (None,) * 3
        self.scales, self.offsets = (1.0,) * 3, (0.0,) * 3
        flag = MaskFlags.per_dataset if self._has_mask else MaskFlags.all_valid
        self.mask_flag_enums = ([flag],) * 3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def read(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        stored = self._dataset.read(1, window=window, out_shape=out_shape and out_shape[-2:])
        colours = np.moveaxis(self._table[stored], -1, 0)  # (4, h, w)
        if isinstance(bands, int):
            return np.ascontiguousarray(colours[bands - 1])
        return np.ascontiguousarray(colours[[band - 1 for band in bands]])

    def read_masks(self, bands: Any, window: Window, out_shape: Any = None) -> npt.NDArray[Any]:
        shape = out_shape and out_shape[-2:]
        stored = self._dataset.read(1, window=window, out_shape=shape)
        mask = self._dataset.read_masks(1, window=window, out_shape=shape)
        shown = np.where(self._table[stored, 3] > 0, mask, 0).astype(np.uint8)
        return shown if isinstance(bands, int) else np.stack([shown] * len(bands))


def _orientation(dataset: Any) -> int:
    if not dataset.transform.is_identity or dataset.gcps[0]:
        return 1
    if dataset.driver == "JPEG":
        text = str(dataset.tags().get("EXIF_Orientation", "1"))
        return int(text) if text.isdecimal() else 1
    path = Path(dataset.name)
    if dataset.driver not in ("GTiff", "PNG", "WEBP") or not path.is_file():
        return 1
    return _tiff_orientation(path) if dataset.driver == "GTiff" else _exif_orientation(path)


def _exif_orientation(path: Path) -> int:
    # Pillow is asked only where there is such a block: tiles are opened by the million.
    content = path.read_bytes() if path.suffix.lower() == ".webp" else _beginning(path)
    at = max(content.find(b"eXIf"), content.find(b"EXIF"))
    if at < 0:
        return 1
    from PIL import Image

    exif = Image.Exif()
    start = min(place for place in (content.find(b"II*\0", at), content.find(b"MM\0*", at), 1 << 40)
                if place >= 0)  # fmt: skip
    try:
        exif.load(b"Exif\0\0" + content[start:])
        return int(exif.get(_ORIENTATION, 1))
    except (OSError, ValueError, TypeError, SyntaxError, struct.error):
        return 1


def _tiff_orientation(path: Path) -> int:
    """Return the orientation tag of the first picture of a TIFF, which GDAL does not give."""
    with path.open("rb") as file:
        head = file.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
        if order is None:
            return 1  # BigTIFF, which no camera writes
        file.seek(struct.unpack(order + "I", head[4:])[0])
        count = file.read(2)
        entries = file.read(12 * struct.unpack(order + "H", count)[0]) if len(count) == 2 else b""
    for at in range(0, len(entries) - 11, 12):
        tag, kind, _, value = struct.unpack(order + "HHIH", entries[at : at + 10])
        if (tag, kind) == (_ORIENTATION, 3):
            return int(value)
    return 1


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 16)
