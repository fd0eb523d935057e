"""The files of a stage, and its checkpoints in and out.

A checkpoint is written whole, read back and checked before it takes its place; the one before is
kept beside it until the next. So there is always a good one, whatever happens.
"""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from dnas_cli.console import logger
from dnas_cli.errors import DataError, DnasError
from dnas_cli.files import atomic_path
from dnas_cli.model.model_file import load_plain

SCHEMA = "dnas/checkpoint"
VERSION = 1


class StageFiles:
    """The folder of a search stage or of retraining."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = folder / "last.pt"
        self.previous = folder / "previous.pt"
        self.best = folder / "best.pt"
        self.history = folder / "history.jsonl"
        self.logits = folder / "logits.jsonl"

    def save_last(self, content: dict[str, Any]) -> None:
        """Write `last.pt`; what was there becomes `previous.pt`."""
        with atomic_path(self.last) as temporary:
            _write(temporary, content)
            if self.last.is_file():
                _keep(self.last, self.previous)

    def save_best(self, content: dict[str, Any]) -> None:
        """Write `best.pt`."""
        with atomic_path(self.best) as temporary:
            _write(temporary, content)

    def load_last(self) -> dict[str, Any] | None:
        """Return the last good checkpoint; None when the stage has none yet.

        Raises:
            DataError: There are checkpoints, and none of them is good.
        """
        damaged: list[DataError] = []
        for path in (self.last, self.previous):
            if not path.is_file():
                continue
            try:
                content = load_checkpoint(path)
            except DataError as error:
                damaged.append(error)
                continue
            if damaged:
                logger.warning("%s The one before it is used: %s", damaged[0].what, path)
            return content
        if damaged:
            raise DataError(
                damaged[0].what,
                "Start the stage over with --restart --overwrite, or restore the file.",
            )
        return None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        DataError: It is damaged, or not a checkpoint of this version.
    """
    if _damage(path):
        raise DataError(f"{path}: is damaged ({_damage(path)}).")
    content = load_plain(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(f"{path}: is not a dnas checkpoint.")
    if content.get("version") != VERSION:
        raise DataError(
            f"{path}: checkpoint version {content.get('version')!r} is not version {VERSION}.",
            "It was written by another version of dnas; use that one.",
        )
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    buffer = io.BytesIO()  # torch reports a full disk as an error of its own; plain writes do not
    torch.save({"schema": SCHEMA, "version": VERSION, **content}, buffer)
    path.write_bytes(buffer.getbuffer())
    if damage := _damage(path):
        raise DnasError(
            f"{path.parent}: a checkpoint was not stored as it was written ({damage}).",
            "Check the disk; the checkpoint before is intact.",
        )


def _damage(path: Path) -> str:
    """Return what is wrong with a checkpoint by the checksum of each of its parts, or nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
        return f"the checksum of {bad} is wrong" if bad else ""
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        return str(error) or type(error).__name__


def _keep(path: Path, copy: Path) -> None:
    """Make `copy` what `path` is now, without a moment in which either is missing."""
    temporary = path.with_name(f".{copy.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:  # a file system without links
        temporary.write_bytes(path.read_bytes())
    temporary.replace(copy)
