"""The device a command computes on."""

from contextlib import suppress
from pathlib import Path

import psutil
import torch

from dnas_cli.errors import UsageError
from dnas_cli.nets.allocation import keep_freed_memory


def resolve_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` takes the fastest.

    On a CPU this process keeps the memory that networks leave from then on.

    Raises:
        UsageError: There is no such device on this machine.
    """
    device = _named(name)
    if device.type == "cpu":
        keep_freed_memory()
    return device


def _named(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise UsageError(f"--device {name}: unknown.", "Give auto, cpu, cuda, cuda:N or mps.")
    if kind == "cuda" and (index or "0") not in map(str, range(torch.cuda.device_count())):
        raise UsageError(f"--device {name}: not on this machine.", "Give --device cpu or auto.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: not on this machine.", "Give --device cpu or auto.")
    return torch.device(name)


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what was asked of it: calls return before an accelerator is."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free for tensors on a device; None where nobody says."""
    if device.type == "cuda":
        # What torch holds and does not use at the moment is free for it, too.
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + idle
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    free = int(psutil.virtual_memory().available)
    limit = _container_memory()
    return free if limit is None else min(free, limit)


def _container_memory() -> int | None:
    """Return what is left of the memory that this container or job was given, if it has a limit."""
    folder = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # not Linux; or `max`, which is no limit
        limit = int((folder / "memory.max").read_text())
        return limit - int((folder / "memory.current").read_text())
    return None
