"""Checkpoints of the first release (`.pth.tar`), read without running anything in them.

Such a file is a pickled dictionary `{epoch, state_dict, optimizer, best_pred}` (method, section 8).
It is read with `weights_only=True`. Beyond tensors and plain data, `best_pred` may be a NumPy
number; the two small stand-ins below replace the NumPy names in the pickle, so no NumPy code meets
data from the file.
"""

import math
import pickle
import pickletools
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnas_cli.errors import DataError
from dnas_cli.files import size_of_file
from dnas_cli.model.pickle_bounds import find_excess

_NUMBER = re.compile(r"[?bfiu]\d{0,2}")
_WANTED = re.compile(r"GLOBAL ([\w.]+) (?:was not an allowed global|whose module)")
_NAME = re.compile(r"[\w.]+")
_LOOKED_AT = 1 << 20  # bytes of a bare pickle to search for names


@dataclass(frozen=True)
class Release1Checkpoint:
    """The content of a checkpoint.

    Attributes:
        state: Tensors by the first release's keys, in the order of the file.
        epoch: Epochs done; 0 if missing.
        best: Best mean IoU on the validation split; None if missing.
    """

    state: dict[str, Tensor]
    epoch: int
    best: float | None


def load_release1(path: Path) -> Release1Checkpoint:
    """Read a checkpoint of the first release.

    Raises:
        DataError: The file is missing, damaged, of another kind, or asks to run code, which the
            message then names.
    """
    content = _load(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise DataError(f"{path}: is not a checkpoint of the first release (no `state_dict`).")
    other = [str(key) for key, value in state.items() if not _is_plain(value)]
    if other:
        raise DataError(
            f"{path}: is not a checkpoint of the first release; its state holds more than plain "
            f"tensors ({', '.join(other[:5])})."
        )
    endless = [str(key) for key, value in state.items() if not bool(torch.isfinite(value).all())]
    if endless:
        raise DataError(
            f"{path}: holds weights that are not finite numbers ({', '.join(endless[:5])}).",
            "Its training diverged; give an earlier checkpoint.",
        )
    tensors = {str(key): value.detach() for key, value in state.items()}
    for name in ("betas", "alphas"):  # next to the state dict in some files
        if isinstance(logits := content.get(name), Tensor):
            tensors.setdefault(name, logits.detach())
    epoch, best = content.get("epoch"), _best(content.get("best_pred"))
    epoch = epoch if isinstance(epoch, int) and epoch > 0 else 0
    return Release1Checkpoint(_without_wrapper(tensors), epoch, best)


def _is_plain(value: Any) -> bool:
    """Return whether a value is a dense tensor of real numbers."""
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        return False
    return not (value.is_meta or value.is_complex() or value.is_quantized)


def _load(path: Path) -> Any:
    size_of_file(path)  # reports what cannot be read
    if excess := find_excess(path):
        raise DataError(f"{path}: is not loaded: {excess}.")
    allowed: list[Any] = [(_NumberType, "numpy.dtype")]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # NumPy 1, NumPy 2
        allowed.append((_number, f"{module}.scalar"))
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # it is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, ModuleNotFoundError) as error:
        wanted = _wanted(path, allowed, str(error))
        if not wanted:
            raise DataError(f"{path}: is damaged or not a checkpoint.") from error
        raise DataError(
            f"{path}: asks to run code: {', '.join(wanted)}; refused, nothing was run.",
            "A checkpoint needs tensors, numbers and text only. If you trust it, save it again "
            "as such at its origin.",
        ) from error
    except Exception as error:  # a damaged pickle can fail in any way
        raise DataError(
            f"{path}: is damaged or not a checkpoint ({type(error).__name__})."
        ) from error


def _wanted(path: Path, allowed: list[Any], message: str) -> list[str]:
    """Return the names that a file asks for beyond tensors and plain data."""
    found = set(_WANTED.findall(message))
    try:
        with torch.serialization.safe_globals(allowed):
            found.update(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # files older than PyTorch 1.6 cannot be listed; the message names the first
        found = found or _asked_by_pickle(path)
    return sorted(found)


def _asked_by_pickle(path: Path) -> set[str]:
    """Return the names in the instructions of a bare pickle, without executing any."""
    found: set[str] = set()
    texts: list[str] = []
    remembered: list[str] = []
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    try:
        for instruction, argument, _ in pickletools.genops(start):
            if instruction.name in ("GLOBAL", "INST"):
                found.add(str(argument).replace(" ", "."))
            elif instruction.name == "STACK_GLOBAL":
                found.add(".".join(texts[-2:]))  # module and name
            elif instruction.name == "MEMOIZE":
                remembered.append(texts[-1] if texts else "")
            elif instruction.name in ("BINGET", "LONG_BINGET") and isinstance(argument, int):
                texts.append(remembered[argument])
            elif isinstance(argument, str):
                texts.append(argument)
    except Exception:  # not a pickle, or the end of a truncated one; names found so far count
        pass
    return {name for name in found if _NAME.fullmatch(name)}


def _without_wrapper(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop the `module.` that training on several GPUs adds before every key."""
    if all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _best(value: Any) -> float | None:
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    known = isinstance(value, int | float | np.number) and math.isfinite(value)
    return float(value) if known else None


class _NumberType:
    """Stands in for `numpy.dtype`: keeps the kind of number."""

    def __init__(self, text: Any, *_: Any) -> None:
        if not isinstance(text, str) or not _NUMBER.fullmatch(text):
            raise pickle.UnpicklingError(f"numpy.dtype({text!r}) is not a number")
        self.kind = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self.kind = self.kind.newbyteorder(">")


def _number(kind: Any, content: Any) -> float:
    """Stands in for `numpy.core.multiarray.scalar`: one number from its bytes."""
    if not isinstance(kind, _NumberType) or not isinstance(content, bytes):
        raise pickle.UnpicklingError("a NumPy scalar that is not a number")
    numbers = np.frombuffer(content, kind.kind)
    if numbers.size != 1:
        raise pickle.UnpicklingError("a NumPy scalar that is not one number")
    return float(numbers[0])
