"""The files of a stage, and its checkpoints in and out.

A checkpoint is written, read back and checked before it takes its place; the previous one is kept
beside it until the next. So a good one always exists.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, cast

from torch import Tensor

from dnas_cli.console import logger
from dnas_cli.errors import DataError, DnasError
from dnas_cli.file_kinds import CHECKPOINT, FILE, kind_of, wrong_kind
from dnas_cli.files import atomic_path, remove_leftovers
from dnas_cli.json_files import check_schema
from dnas_cli.model.tensor_file import DamagedError, load_tensors, save_tensors, write_checked
from dnas_cli.run.rows import EpochRow, write_row
from dnas_cli.training.ranks import Ranks

SCHEMA = "dnas/checkpoint"
VERSION = 1


class Checkpoint(TypedDict, total=False):
    """What a checkpoint holds.

    `last.pt` holds all that resuming needs; `best.pt` the network of the best epoch, counted from
    0, with its score.
    """

    identity: str
    network: dict[str, Tensor]
    epoch: int
    mean_iou: float
    position: dict[str, Any]
    optimizers: dict[str, dict[str, Any]]
    scaler: dict[str, Any]
    random: dict[str, Any]
    average: dict[str, Any] | None


class StageFiles:
    """The folder of a search stage or of retraining.

    Args:
        folder: The folder.
        ranks: The processes that train; the first one reads for all and writes.
    """

    def __init__(self, folder: Path, ranks: Ranks | None = None) -> None:
        self._ranks = ranks or Ranks()
        self.folder = folder
        self.last = folder / "last.pt"
        self.previous = folder / "previous.pt"
        self.best = folder / "best.pt"
        self.history = folder / "history.jsonl"
        self.logits = folder / "logits.jsonl"

    def save_last(self, content: Checkpoint) -> None:
        """Write `last.pt`; the existing one becomes `previous.pt`.

        Raises:
            DnasError: It cannot be written; the existing checkpoints are intact.
        """
        if not self._ranks.is_first:
            return
        with atomic_path(self.last) as temporary:
            write_checked(temporary, _named(content))
            if self.last.is_file():
                _keep(self.last, self.previous)

    def save_best(self, content: Checkpoint) -> None:
        """Write `best.pt`."""
        if not self._ranks.is_first:
            return
        save_tensors(self.best, _named(content))

    def write_history(self, row: EpochRow) -> None:
        """Write the row of an epoch, in place of it and of later ones."""
        if self._ranks.is_first:
            write_row(self.history, row)

    def write_logits(self, row: EpochRow) -> None:
        """Write the logits of an epoch, in place of them and of later ones."""
        if self._ranks.is_first:
            write_row(self.logits, row)

    def load_last(self) -> Checkpoint | None:
        """Return the last good checkpoint; None if the stage has none yet.

        A damaged one is replaced by the previous one. Leftovers of a killed writer are removed.

        Raises:
            DataError: No checkpoint is good, or they are of another version.
        """
        return self._ranks.shared(self._load_last() if self._ranks.is_first else None)  # type: ignore[no-any-return]

    def _load_last(self) -> Checkpoint | None:
        remove_leftovers(self.folder)
        if not self.last.is_file() and not self.previous.is_file():
            return None
        try:
            return load_checkpoint(self.last)
        except DataError as error:
            if self.last.is_file() and not isinstance(error, DamagedError):
                raise
            damaged = error
        try:
            content = load_checkpoint(self.previous)
        except DataError as error:
            raise DataError(
                damaged.what,
                "Start the stage over with restart=True and overwrite=True, or restore the file.",
            ) from error
        logger.warning("%s The previous one is used: %s", damaged.what, self.previous)
        _keep(self.previous, self.last)  # else the next checkpoint would replace the good one
        return content


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DamagedError: It is not what was written.
        DataError: It is missing, or not a checkpoint of this version.
    """
    if kind_of(path) not in ("", FILE, CHECKPOINT):
        raise wrong_kind(path, CHECKPOINT)
    content = check_schema(
        load_tensors(path), SCHEMA, VERSION, str(path), "checkpoint of a training"
    )
    return cast(Checkpoint, content)


def _named(content: Checkpoint) -> dict[str, Any]:
    return {"schema": SCHEMA, "version": VERSION, **content}


def _keep(path: Path, copy: Path) -> None:
    """Make `copy` the same file as `path`, without a moment in which neither exists."""
    temporary = path.with_name(f".{copy.stem}.keep.part{copy.suffix}")
    try:
        temporary.unlink(missing_ok=True)
        os.link(path, temporary)
        temporary.replace(copy)
    except OSError:  # a file system without links
        try:
            path.replace(copy)
        except OSError as error:
            raise DnasError(f"{copy}: cannot write ({error.strerror}).") from error
    finally:  # it stays if both were one file before
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
