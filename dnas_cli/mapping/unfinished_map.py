"""The finished rows of a map that is not finished: a folder beside the output, `NAME.part`.

It holds the rows as plain bytes and a `state.json` that says how many of them count. Rows are on
disk before they are counted, so whatever stops the work, the count is right; it resumes from there
if scene, model and settings are still the same. A finished map is a file of its final name, never
this folder.
"""

import glob
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from dnas_cli.console import as_bytes
from dnas_cli.errors import DataError, DnasError, RunStateError
from dnas_cli.file_lock import locked
from dnas_cli.files import make_folder, remove_leftovers
from dnas_cli.json_files import read_json, write_json
from dnas_cli.mapping.blending import MapRows
from dnas_cli.scenes.rows import Rows


class MapInWorkError(RunStateError):
    """Another process is making a map."""


def part_folder(target: Path) -> Path:
    """Return where the unfinished state of an output is kept."""
    return target.with_name(target.name + ".part")


def remove_discarded(folder: Path) -> None:
    """Remove what is left of discarded work, also where a process was killed while it did so."""
    for gone in folder.parent.glob(f".{glob.escape(folder.name)}.*.gone"):
        shutil.rmtree(gone, ignore_errors=True)


def remove_map_leftovers(target: Path) -> None:
    """Remove what a killed writer of a map, or of the files beside it, left behind."""
    beside = (target.with_suffix(suffix).name for suffix in (".pgw", ".prj", ".qml"))
    for name in (target.name, f"{target.name}.aux.xml", *beside):
        remove_leftovers(target.parent, name)


class UnfinishedMap:
    """Rows of a map on disk; a block with it holds the lock on them, and resumes what is there.

    Args:
        target: The output.
        key: What must be the same to resume: scene, model, settings.
        width: Pixels per row.
        bands: Of each raster that is kept beside the classes: `confidence`, `entropy`, `margin`
            or `probabilities`.
        shown: Brings finished rows to the grid of the outputs.

    Attributes:
        rows: How many rows are finished.
        outputs: Names of the outputs that are partly written from the finished rows.
    """

    def __init__(
        self,
        target: Path,
        key: dict[str, Any],
        height: int,
        width: int,
        bands: Mapping[str, int],
        shown: Callable[[Rows], Rows] = lambda rows: rows,
    ) -> None:
        self.folder, self._shown = part_folder(target), shown
        self._key, self._stack = key, ExitStack()
        self._height, self._width = height, width
        self._bands = {"classes": 1, **bands}
        # Bytes per row of each file; a row is (bands, width).
        self._row_bytes = {name: count * width for name, count in self._bands.items()}
        self.rows, self.outputs = 0, list[str]()
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> Self:
        """Lock the rows, and take those that are finished.

        Raises:
            MapInWorkError: Another process is at work on them.
            DnasError: The disk has too little space.
        """
        with ExitStack() as stack:
            try:
                self._lock(stack)
            except BlockingIOError as error:
                raise MapInWorkError(
                    f"{self.folder.with_suffix('')}: another process is writing it.",
                    "Wait for it or stop it.",
                ) from error
            except OSError as error:
                raise DnasError(
                    f"{self.folder}: cannot be written ({error.strerror}).",
                    "Choose another place with out=PATH.",
                ) from error
            remove_discarded(self.folder)
            stack.callback(self.close)
            self.rows, self.outputs = self._stored()
            self._check_space()
            for name, row_bytes in self._row_bytes.items():
                path = self._path(name)
                path.touch()
                os.truncate(path, self.rows * row_bytes)
                self._files[name] = path.open("ab")
            self._save()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files and give the lock back."""
        self._stack.close()

    def _lock(self, stack: ExitStack) -> None:
        """Make the folder and lock it; the process that finished it may just have removed it."""
        while True:
            make_folder(self.folder)
            with suppress(FileNotFoundError):
                stack.enter_context(locked(self.folder / "lock", file=True))
                return

    def append(self, rows: MapRows) -> None:
        """Add finished rows below the existing ones."""
        assert rows.row == self.rows
        try:
            for name, file in self._files.items():
                values = getattr(rows, name)
                by_row = values if values.ndim == 2 else np.moveaxis(values, 0, 1)
                file.write(np.ascontiguousarray(by_row).data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DnasError(
                f"{self.folder}: cannot be written ({error.strerror}).",
                "Free the space and run the same command again to resume.",
            ) from error
        self.rows += rows.classes.shape[0]
        self._save()

    def begin_output(self, target: Path) -> None:
        """Note that an output is about to be made, so that it may be made again."""
        if target.name in self.outputs:
            remove_map_leftovers(target)
            return
        self.outputs.append(target.name)
        self._save()

    def finished(self, name: str = "classes") -> Rows:
        """Return the finished map, or another raster that is kept."""
        count = self._bands[name]

        def read(start: int, stop: int) -> npt.NDArray[np.uint8]:
            # Not a memory map: its pages would count as memory of this process.
            with self._path(name).open("rb") as file:
                file.seek(start * count * self._width)
                content = file.read((stop - start) * count * self._width)
            rows = np.frombuffer(content, np.uint8).reshape(stop - start, count, self._width)
            return np.ascontiguousarray(np.moveaxis(rows, 1, 0))

        return self._shown(Rows(count, self._height, self._width, read))

    def close(self) -> None:
        """Close the files; what is finished stays."""
        for file in self._files.values():
            file.close()

    def discard(self) -> None:
        """Remove the folder: the outputs are there.

        It first gets another name, at which nobody looks for unfinished work: killed in between,
        the next command finds the outputs finished.
        """
        self.close()
        gone = self.folder.with_name(f".{self.folder.name}.{secrets.token_hex(4)}.gone")
        with suppress(OSError):
            self.folder.rename(gone)
        remove_discarded(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.raw"

    def _stored(self) -> tuple[int, list[str]]:
        """Return how many rows count, and the outputs that are partly written from them."""
        try:
            state = read_json(self.folder / "state.json")
            if state["key"] != self._key:
                return 0, []
            rows = int(state["rows"])
            enough = all(
                self._path(name).stat().st_size >= rows * row_bytes
                for name, row_bytes in self._row_bytes.items()
            )
            outputs = [str(name) for name in state["outputs"]]
        except (DataError, OSError, KeyError, TypeError, ValueError):
            return 0, []
        return (rows, outputs) if enough else (0, [])

    def _save(self) -> None:
        state = {"rows": self.rows, "outputs": self.outputs, "key": self._key}
        write_json(self.folder / "state.json", state)

    def _check_space(self) -> None:
        needed = (self._height - self.rows) * sum(self._row_bytes.values())
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DnasError(
                f"{self.folder}: the map needs {as_bytes(needed)} of disk on its way, "
                f"{as_bytes(free)} are free.",
                "Free the space or choose another place with out=PATH.",
            )
