"""Files of tensors and plain data: written whole and checked, read without running anything.

They are the archives that `torch.save` writes. Every part of such an archive has a checksum, which
torch itself does not check; it is checked here, so that a flipped bit is never read as a weight.
"""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from dnas_cli.errors import DataError, DnasError, brief
from dnas_cli.files import atomic_path, size_of_file
from dnas_cli.model.pickle_bounds import find_excess


class DamagedError(DataError):
    """The file differs from what was written."""


def save_tensors(path: Path, content: Any) -> None:
    """Write tensors and plain data, read the file back and check it before it takes its place.

    Raises:
        DnasError: It cannot be written, or was stored wrongly.
    """
    with atomic_path(path) as temporary:
        write_checked(temporary, content)


def write_checked(path: Path, content: Any) -> None:
    """Write to a path directly; for use inside `atomic_path`."""
    buffer = io.BytesIO()  # torch hides a full disk behind an error of its own; plain writes do not
    torch.save(content, buffer)
    path.write_bytes(buffer.getbuffer())
    if damage := find_damage(path):
        raise DnasError(
            f"{path.parent}: a file was stored wrongly ({damage}).",
            "Check the disk; the previous file is intact.",
        )


def load_tensors(path: Path) -> Any:
    """Read tensors and plain data, running no code of the file.

    Raises:
        DamagedError: A part is missing, or its checksum is wrong.
        DataError: The file is missing, or asks to run code.
    """
    size_of_file(path)
    if damage := find_damage(path):
        raise DamagedError(f"{path}: is damaged, or not a file of this kind ({damage}).")
    if excess := find_excess(path):
        raise DataError(f"{path}: is not loaded: {excess}.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: is not a file of tensors and plain data, or asks to run code; refused.",
            "If it is a checkpoint of the first release, `dnas import` makes a model of it.",
        ) from error
    except Exception as error:  # torch's reader can fail in any way on a damaged archive
        raise DamagedError(f"{path}: is damaged ({type(error).__name__}).") from error


def find_damage(path: Path) -> str:
    """Return what is wrong with an archive by the checksums of its parts; empty if nothing is.

    Compressed parts are refused: torch writes none, and a small file could fill the memory with
    them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [
                part.filename
                for part in archive.infolist()
                if part.compress_type != zipfile.ZIP_STORED or part.file_size != part.compress_size
            ]
            bad = packed[0] if packed else archive.testzip()
    except Exception as error:  # the reader can fail in any way on a damaged archive
        return brief(error)
    if packed:
        return f"{bad} is compressed"
    return f"the checksum of {bad} is wrong" if bad else ""
