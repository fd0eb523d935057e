"""Files of tensors and plain data: written whole and checked, read without running anything.

They are the archives that `torch.save` writes. Every part of such an archive has a checksum, which
torch itself does not look at; here it is compared, so that a flipped bit is never taken for a
weight.
"""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from dnas_cli.errors import DataError, DnasError, brief
from dnas_cli.files import atomic_path, size_of_file


class DamagedError(DataError):
    """The file is not what was written."""


def save_tensors(path: Path, content: Any) -> None:
    """Write tensors and plain data, read the file back and check it, and only then let it be.

    Raises:
        DnasError: It cannot be written, or was not stored as it was written.
    """
    with atomic_path(path) as temporary:
        write_checked(temporary, content)


def write_checked(path: Path, content: Any) -> None:
    """Write to a path as it is; for use inside `atomic_path`."""
    buffer = io.BytesIO()  # torch reports a full disk as an error of its own; plain writes do not
    torch.save(content, buffer)
    path.write_bytes(buffer.getbuffer())
    if damage := find_damage(path):
        raise DnasError(
            f"{path.parent}: a file was not stored as it was written ({damage}).",
            "Check the disk; what was there before is intact.",
        )


def load_tensors(path: Path) -> Any:
    """Read tensors and plain data, running no code of the file.

    Raises:
        DamagedError: A part is missing, or its checksum is wrong.
        DataError: The file is missing, or wants to run code.
    """
    size_of_file(path)
    if damage := find_damage(path):
        raise DamagedError(f"{path}: is damaged, or no file of this kind ({damage}).")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: is not a file of tensors and plain data, or asks to run code; refused.",
            "If it is a checkpoint of the first release: `dnas import` makes a model of it.",
        ) from error
    except Exception as error:  # whatever a wrong archive makes of torch's reader
        raise DamagedError(f"{path}: is damaged ({type(error).__name__}).") from error


def find_damage(path: Path) -> str:
    """Return what is wrong with an archive by the checksums of its parts; nothing if all is well.

    Parts that are compressed are refused as well: torch writes none, and a small file could fill
    the memory with them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [
                part.filename
                for part in archive.infolist()
                if part.compress_type != zipfile.ZIP_STORED or part.file_size != part.compress_size
            ]
            bad = packed[0] if packed else archive.testzip()
    except Exception as error:  # whatever a wrong archive makes of the reader
        return brief(error)
    if packed:
        return f"{bad} is compressed"
    return f"the checksum of {bad} is wrong" if bad else ""
