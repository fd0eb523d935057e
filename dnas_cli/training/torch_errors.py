"""Errors of torch as one message with a remedy."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dnas_cli.errors import DnasError, brief

_NOT_DETERMINISTIC = re.compile(r"(\S+) does not have a deterministic implementation")
_BLAS = "this operation is not deterministic because it uses CuBLAS"
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory", re.IGNORECASE)
_WORKER_DIED = re.compile(r"DataLoader worker \(pid")

_NO_SHARED_MEMORY = re.compile(r"shared memory|unable to (write|open|mmap|resize).*(shm|torch_)")

_INTACT = "The last checkpoint is intact."


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Allow only deterministic operations within the block; else the fastest ones, as measured."""
    if not wanted:
        measured, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark = measured
        return
    before = torch.are_deterministic_algorithms_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of torch that a user can remedy into messages.

    Raises:
        DnasError: An operation is not deterministic with `deterministic`, the memory is too small,
            or a process that loads tiles died.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if match := _NOT_DETERMINISTIC.search(text):
            what = f"deterministic=True: {match[1]} cannot be computed deterministically here."
            raise DnasError(what, "Leave it out, or give device=cpu.") from error
        if _BLAS in text:
            raise DnasError(
                "deterministic=True: matrix products (cuBLAS) are not deterministic here.",
                "Set CUBLAS_WORKSPACE_CONFIG=:4096:8, or leave it out.",
            ) from error
        if _NO_MEMORY.search(text):
            raise DnasError(
                f"the memory of the device is too small ({brief(error)}). {_INTACT}",
                "Give mode=low, free some memory, or branch with a smaller batch or crop.",
            ) from error
        if _NO_SHARED_MEMORY.search(text):
            raise DnasError(
                f"the shared memory is too small for the processes that load tiles. {_INTACT}",
                "Give workers=0, or start the container with --shm-size 1g.",
            ) from error
        if _WORKER_DIED.search(text):
            raise DnasError(
                f"a process that loads tiles died ({brief(error)}). {_INTACT}",
                "Run the same command again, with fewer workers.",
            ) from error
        raise
