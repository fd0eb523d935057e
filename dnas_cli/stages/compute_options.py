"""How to compute, apart from what is computed."""

from dataclasses import dataclass
from typing import Literal

import torch

from dnas_cli.errors import UsageError
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.training_pass.executor import ExecutionMode

ExecutionChoice = Literal["auto"] | ExecutionMode


@dataclass(frozen=True)
class ComputeOptions:
    """How to compute.

    Attributes:
        device: Name of the device.
        workers: Processes that load tiles; -1 chooses by the device.
        checkpoint_every: Minutes between checkpoints inside an epoch.
        on_divergence: `stop`, or `backoff` to return once to the last checkpoint, with a lower
            learning rate.
        deterministic: Use only operations that give the same bits every time (on a GPU).
        mode: How the network is executed; `auto` keeps the mode of a stage that is resumed, and
            chooses that of a new one by the free memory.
    """

    device: str = "auto"
    workers: int = -1
    checkpoint_every: float = 10.0
    on_divergence: Literal["stop", "backoff"] = "stop"
    deterministic: bool = False
    mode: ExecutionChoice = "auto"

    @property
    def flags(self) -> str:
        """The flags that a command must repeat to resume in the same way."""
        flags = f" --device {self.device}" if self.device != "auto" else ""
        flags += " --on-divergence backoff" if self.on_divergence == "backoff" else ""
        return flags + (" --deterministic" if self.deterministic else "")

    def resolve(self) -> tuple[torch.device, int]:
        """Return the device and the number of workers.

        Raises:
            UsageError: There is no such device, or a value cannot work.
        """
        if self.workers < -1:
            raise UsageError(f"--workers {self.workers}: must be 0 or more.")
        if not self.checkpoint_every >= 0:
            raise UsageError(f"--checkpoint-every {self.checkpoint_every}: must be 0 or more.")
        device = resolve_device(self.device)
        # On a CPU the network itself keeps every core busy; a GPU wants its tiles brought to it.
        chosen = (4 if device.type == "cuda" else 0) if self.workers == -1 else self.workers
        return device, chosen
