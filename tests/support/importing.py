"""Importing a model of the first release, well or in vain."""

from pathlib import Path

import torch

from tests.support.command_line import dnas

CPU = torch.device("cpu")


def import_model(files: tuple[Path, ...], out: Path, *more: object) -> None:
    """Import a model for the classes of GID-5."""
    dnas("import", *files, "--dataset", "gid5", "--out", out, *more)


def refused_model(files: tuple[Path, ...], tmp_path: Path, dataset: str = "gid5") -> str:
    """Import what must be refused, check that nothing was written, and return the message."""
    out = tmp_path / "refused.pt"
    message = dnas("import", *files, "--dataset", dataset, "--out", out, code=4).stderr
    assert not out.exists()
    return message
