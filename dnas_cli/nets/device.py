"""The device a command computes on."""

import torch

from dnas_cli.container import limited_threads, usable_processors
from dnas_cli.errors import UsageError
from dnas_cli.nets.allocation import keep_freed_memory


def resolve_device(name: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` takes the fastest.

    On a CPU this process keeps the memory that networks leave from then on, and takes as many
    threads as were set, else no more than its container has processors.

    Raises:
        UsageError: There is no such device on this machine.
    """
    device = _named(name)
    if device.type == "cpu":
        keep_freed_memory()
        threads = limited_threads() or min(torch.get_num_threads(), usable_processors())
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
    return device


def _named(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise UsageError(f"device={name}: unknown.", "Give auto, cpu, cuda, cuda:N or mps.")
    if kind == "cuda" and (index or "0") not in map(str, range(torch.cuda.device_count())):
        raise UsageError(f"device={name}: not on this machine.", "Give cpu or auto.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("device=mps: not on this machine.", "Give cpu or auto.")
    return torch.device(name)


def half_precision(device: torch.device) -> torch.dtype | None:
    """Return the 16-bit numbers that a device computes fastest with; None to use 32 bits.

    bfloat16 has the range of float32, so that losses need no scaling; GPUs before Ampere lack it.
    """
    if device.type != "cuda":
        return None
    major, _ = torch.cuda.get_device_capability(device)
    return torch.bfloat16 if major >= 8 else torch.float16


def optimizer_kernel(device: torch.device) -> dict[str, bool]:
    """Return the options with which torch's optimizers take a step of many small weights fastest.

    On CUDA one kernel, which also skips a step without asking the host; on a CPU one loop of C++,
    with the same bits as a loop of Python at half its time.
    """
    return {"cuda": {"fused": True}, "cpu": {"foreach": True}}.get(device.type, {})


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what was asked of it: calls return before an accelerator is."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
