"""Maps of evaluated scenes on the ground: the map, an error raster, and where it is worst.

The error raster says which class was taken for which: its values are `label * classes + map`, on
the grid of the scene, with a colour and a name for every pair that occurs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from dnas_cli.evaluation.tile_scores import Look
from dnas_cli.files import make_folder, refuse_existing, write_csv
from dnas_cli.metrics import IGNORE, ConfusionMatrix
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.map_values import MapValues, index_values
from dnas_cli.scenes.palette import Colour, LandClass
from dnas_cli.scenes.qgis_style import write_raster_style
from dnas_cli.scenes.raster import Raster
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.writers import write_cog, write_draft, write_sidecar
from dnas_cli.tiles.grid import inside, tile_rows

_RIGHT: Colour = (225, 228, 232)
_LISTED = 100  # windows in the table of the worst
_FEWEST = 0.05  # share of a window's pixels that must have labels for it to be listed
_LONGEST = 400  # pixels of a panel's pictures

OnLook = Callable[[Path, str, Look, Sequence[LandClass], Sequence[str]], None]
"""Called with the file of a scene's panel, the scene's name and look, the classes and the bands."""


@dataclass(frozen=True)
class _Window:
    """The score of a window of a scene."""

    scene: str
    row: int
    column: int
    height: int
    width: int
    matrix: ConfusionMatrix
    place: tuple[float, float] | None

    @property
    def wrong(self) -> int:
        return self.matrix.pixels - int(np.trace(self.matrix.counts))

    @property
    def accuracy(self) -> float:
        return 1 - self.wrong / self.matrix.pixels


@dataclass
class SceneMaps:
    """A folder that gets the maps of evaluated scenes.

    Attributes:
        classes: The classes; position is the index.
        window: Pixels along a side of the windows that are compared.
        on_look: Makes the panel of each scene.
        files: What was written so far.
    """

    folder: Path
    classes: Sequence[LandClass]
    window: int
    on_look: OnLook | None = None
    files: list[Path] = field(default_factory=list)
    _windows: list[_Window] = field(default_factory=list)

    def refuse_existing(self, names: Sequence[str], overwrite: bool) -> None:
        """Refuse to replace files of these scenes, unless asked to.

        Raises:
            RunStateError: One exists.
        """
        for name in names:
            for path in self._of_scene(name):
                refuse_existing(path, overwrite)
        refuse_existing(self._worst, overwrite)

    @contextmanager
    def scene(self, name: str, scene: Raster) -> Iterator["SceneRows"]:
        """Take the rows of a scene in order; its files are written at the end of the block."""
        make_folder(self.folder)
        values, valid = scene.preview(_LONGEST)
        shape = valid.shape
        look = Look(
            values,
            valid,
            np.full(shape, IGNORE, np.uint8),
            np.full(shape, IGNORE, np.uint8),
            np.zeros(shape, np.float32),
        )
        with TemporaryDirectory(prefix=f".{name[:50]}.part", dir=self.folder) as folder:
            rows = SceneRows(Path(folder), scene.height, scene.width, look)
            yield rows
            rows.close()
            self._finish(name, scene, rows, Path(folder))

    def write_worst(self) -> Path:
        """Write `worst.csv`: the windows of lowest accuracy over all scenes, worst first."""
        rows: list[list[object]] = [
            ["scene", "row", "column", "height", "width", "labelled_pixels", "wrong_pixels",
             "accuracy", "label", "mapped_as", "x", "y"]
        ]  # fmt: skip
        listed = [
            item
            for item in self._windows
            if item.matrix.pixels >= max(1, _FEWEST * item.height * item.width)
        ]
        names = [item.name for item in self.classes]
        for item in sorted(listed, key=lambda window: window.accuracy)[:_LISTED]:
            wrong = item.matrix.counts - np.diag(np.diagonal(item.matrix.counts))
            label, mapped = np.unravel_index(int(wrong.argmax()), wrong.shape)
            mixed = [names[int(label)], names[int(mapped)]] if wrong.any() else ["", ""]
            place = ["" if item.place is None else f"{value:.9g}" for value in item.place or (0, 0)]
            rows.append(
                [item.scene, item.row, item.column, item.height, item.width,
                 item.matrix.pixels, item.wrong, f"{item.accuracy:.4f}", *mixed, *place]
            )  # fmt: skip
        write_csv(self._worst, rows)
        self.files.append(self._worst)
        return self._worst

    @property
    def _worst(self) -> Path:
        return self.folder / "worst.csv"

    def _of_scene(self, name: str) -> tuple[Path, Path, Path]:
        """Return the files of map, errors and panel."""
        return (
            self.folder / f"{name}.tif",
            self.folder / f"{name}_errors.tif",
            self.folder / f"{name}_panel.png",
        )

    def _finish(self, name: str, scene: Raster, rows: "SceneRows", folder: Path) -> None:
        target, errors, panel = self._of_scene(name)
        place = scene.georeference
        values = index_values(len(self.classes), None)
        self._write(target, folder, rows.classes(), self.classes, values, place)
        pairs, pair_classes, pair_values = self._pairs(rows)
        self._write(errors, folder, pairs, pair_classes, pair_values, place)
        if self.on_look is not None:
            self.on_look(panel, name, rows.look, self.classes, scene.bands)
        self.files += (target, errors, *([panel] if self.on_look else []))
        self._compare_windows(name, rows, place)

    def _write(
        self,
        target: Path,
        folder: Path,
        rows: Rows,
        classes: Sequence[LandClass],
        values: MapValues,
        place: Georeference,
    ) -> None:
        draft = folder / "draft.tif"
        write_draft(draft, rows, classes, place, {}, values)
        write_sidecar(target, classes, values)
        write_raster_style(target, tuple(classes), values)
        write_cog(draft, target, "MODE")

    def _pairs(self, rows: "SceneRows") -> tuple[Rows, list[LandClass], MapValues]:
        """Return the pairs of label and map that occur: by index, and each as a class."""
        count, matrix = len(self.classes), rows.matrix(len(self.classes))
        present = np.flatnonzero(matrix.counts.ravel())  # label * classes + map
        named = []
        for pair in present:
            label, mapped = divmod(int(pair), count)
            own, other = self.classes[label], self.classes[mapped]
            right = LandClass(f"{own.name}, right", _RIGHT)
            wrong = LandClass(f"{own.name} mapped as {other.name}", other.colour)
            named.append(right if label == mapped else wrong)

        def read(start: int, stop: int) -> npt.NDArray[np.uint16]:
            truth, classes = rows.read(start, stop)
            pairs = truth.astype(np.int64) * count + classes
            index = np.searchsorted(present, pairs).astype(np.uint16)
            index[(truth == IGNORE) | (classes == IGNORE)] = np.iinfo(np.uint16).max
            return index[None]

        nodata = IGNORE if count * count <= IGNORE else np.iinfo(np.uint16).max
        values = MapValues(tuple(map(int, present)) or (0,), int(nodata), "label * classes + map")
        named = named or [LandClass("nothing", _RIGHT)]
        return Rows(1, rows.height, rows.width, read), named, values

    def _compare_windows(self, name: str, rows: "SceneRows", place: Georeference) -> None:
        for line in tile_rows(rows.height, rows.width, self.window):
            for whole in line:
                part = inside(whole, rows.height, rows.width)
                truth, classes = rows.read(part.row, part.row + part.height)
                span = slice(part.column, part.column + part.width)
                matrix = ConfusionMatrix(len(self.classes))
                matrix.add(truth[:, span], classes[:, span])
                if matrix.pixels:
                    centre = _ground(
                        place, part.row + part.height / 2, part.column + part.width / 2
                    )
                    self._windows.append(
                        _Window(
                            name, part.row, part.column, part.height, part.width, matrix, centre
                        )
                    )


class SceneRows:
    """The rows of a map and its labels, kept on disk; and a reduced picture of them.

    Attributes:
        width: Pixels per row.
        look: The scene at a reduced size.
    """

    def __init__(self, folder: Path, height: int, width: int, look: Look) -> None:
        self.height, self.width, self.look = height, width, look
        self._paths = (folder / "truth.raw", folder / "classes.raw")
        self._files = [path.open("wb") for path in self._paths]
        h, w = look.valid.shape
        self._rows = ((np.arange(h) + 0.5) * height / h).astype(np.int64)
        self._columns = ((np.arange(w) + 0.5) * width / w).astype(np.int64)

    def add(
        self,
        row: int,
        truth: npt.NDArray[np.uint8],
        classes: npt.NDArray[np.uint8],
        confidence: npt.NDArray[np.uint8],
    ) -> None:
        """Add rows (h, W) below the existing ones; confidence is 0..254 for 0..1."""
        for file, content in zip(self._files, (truth, classes), strict=True):
            file.write(np.ascontiguousarray(content).data)
        mine = np.flatnonzero((self._rows >= row) & (self._rows < row + len(truth)))
        own = np.ix_(self._rows[mine] - row, self._columns)
        self.look.truth[mine] = truth[own]
        self.look.predicted[mine] = classes[own]
        sure = confidence[own].astype(np.float32) / 254
        self.look.confidence[mine] = np.where(confidence[own] == IGNORE, 0, sure)

    def close(self) -> None:
        """Close the files, so that rows can be read."""
        for file in self._files:
            file.close()

    def read(self, start: int, stop: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Return labels and classes of rows `start` to `stop`: (h, W) each."""
        found = []
        for path in self._paths:
            with path.open("rb") as file:
                file.seek(start * self.width)
                content = file.read((stop - start) * self.width)
            found.append(np.frombuffer(content, np.uint8).reshape(stop - start, self.width))
        return found[0], found[1]

    def classes(self) -> Rows:
        """Return the map: one band."""
        return Rows(1, self.height, self.width, lambda start, stop: self.read(start, stop)[1][None])

    def matrix(self, classes: int) -> ConfusionMatrix:
        """Count labels and classes."""
        matrix = ConfusionMatrix(classes)
        for start in range(0, self.height, 512):
            matrix.add(*self.read(start, min(start + 512, self.height)))
        return matrix


def _ground(place: Georeference, row: float, column: float) -> tuple[float, float] | None:
    if not place.has_map_coordinates or place.transform is None:
        return None
    a, b, c, d, e, f = place.transform
    return a * column + b * row + c, d * column + e * row + f
