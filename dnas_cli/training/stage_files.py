"""The files of a stage, and its checkpoints in and out."""

from pathlib import Path
from typing import Any

import torch

from dnas_cli.errors import DataError
from dnas_cli.files import atomic_path
from dnas_cli.model.model_file import load_plain

SCHEMA = "dnas/checkpoint"
VERSION = 1


class StageFiles:
    """The folder of a search stage or of retraining."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = folder / "last.pt"
        self.best = folder / "best.pt"
        self.history = folder / "history.jsonl"
        self.logits = folder / "logits.jsonl"

    def save(self, path: Path, content: dict[str, Any]) -> None:
        """Write a checkpoint, atomically."""
        with atomic_path(path) as temporary:
            torch.save({"schema": SCHEMA, "version": VERSION, **content}, temporary)

    def load(self, path: Path) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            DataError: It is damaged or not a checkpoint of this version.
        """
        content = load_plain(path)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise DataError(f"{path}: is not a dnas checkpoint.")
        if content.get("version") != VERSION:
            raise DataError(
                f"{path}: checkpoint version {content.get('version')!r} is not version {VERSION}.",
                "It was written by another version of dnas; use that one.",
            )
        return content
