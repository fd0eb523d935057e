"""The folder of a tile set in the making: its content, its lock, its finished pieces.

Until `dataset.json` exists, `.progress` holds the settings and a record per finished piece.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError, DnasError, RunStateError
from dnas_cli.file_lock import locked
from dnas_cli.files import write_text
from dnas_cli.json_files import read_json, write_json
from dnas_cli.shard import Shard
from dnas_cli.tiles.dataset_json import is_tile_set
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.settings import differences

_OWN = (
    *("dataset.json", "image", "label", ".progress"),
    *(f"{split}.lst" for split in SPLITS),
    *(f"preview-{split}.png" for split in SPLITS),
)


class WorkFolder:
    """The folder of a tile set in the making.

    Attributes:
        progress: The folder of records until the tile set is finished.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.progress = root / ".progress"

    @property
    def is_finished(self) -> bool:
        """Whether the tile set is complete."""
        return is_tile_set(self.root)

    def record(self, key: str) -> Path:
        """Return the path of the record of a piece of work."""
        return self.progress / f"{key}.npz"

    def refuse_foreign(self) -> None:
        """Refuse a folder that holds anything but a tile set.

        Raises:
            RunStateError: It holds something else.
        """
        if self.is_finished or self.progress.is_dir():
            return
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            raise RunStateError(
                f"{self.root}: exists and is not a tile set.",
                "Name another folder with out=DIR; this one stays as it is.",
            )

    def begin(self, settings: Any, overwrite: bool) -> None:
        """Start, or resume with the same settings.

        Raises:
            RunStateError: Unfinished work with other settings is there.
        """
        before = self._unfinished_settings()
        if before is not None and before != settings and not overwrite:
            raise RunStateError(
                f"{self.root}: holds an unfinished tile set with other settings:",
                "Repeat the settings to finish it, start over with overwrite=True, or name another "
                "folder with out=DIR.",
                differences(before, settings),
            )
        if before != settings:
            self._clear()
        try:
            self.progress.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.root, error) from error
        write_json(self.progress / "settings.json", settings)

    def end(self) -> None:
        """Remove what was kept for resuming."""
        shutil.rmtree(self.progress, ignore_errors=True)

    def abandon(self) -> None:
        """Remove the tile set, and the folder if nothing else is in it."""
        self._clear()
        if not any(self.root.iterdir()):
            self.root.rmdir()

    def mark_done(self, shard: Shard) -> list[int]:
        """Note that a shard is done, and return the numbers of those that are not."""
        write_text(self._mark(shard.number, shard), "")
        numbers = range(1, shard.count + 1)
        return [number for number in numbers if not self._mark(number, shard).exists()]

    def _mark(self, number: int, shard: Shard) -> Path:
        return self.progress / f"shard-{number}-of-{shard.count}.done"

    @contextmanager
    def lock(self, wait: bool = False) -> Iterator[None]:
        """Lock the folder for this process.

        Args:
            wait: Wait for another process that holds the lock.

        Raises:
            RunStateError: Another process has locked it.
        """
        with ExitStack() as stack:
            try:
                while True:
                    self.root.mkdir(parents=True, exist_ok=True)
                    with suppress(FileNotFoundError):  # another command removed it when it failed
                        stack.enter_context(locked(self.root, wait))
                        break
            except BlockingIOError as error:
                raise RunStateError(
                    f"{self.root}: another process is making this tile set.",
                    "Wait for it, or name another folder with out=DIR.",
                ) from error
            except OSError as error:
                raise _cannot_write(self.root, error) from error
            yield

    def _unfinished_settings(self) -> Any:
        try:
            return None if self.is_finished else read_json(self.progress / "settings.json")
        except DataError:
            return None

    def _clear(self) -> None:
        for name in _OWN:
            path = self.root / name
            try:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> DnasError:
    return DnasError(
        f"{path}: cannot write ({error.strerror or error}).",
        "Choose another folder with out=DIR.",
    )
