"""How to compute; none of these changes what is computed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dnas_cli.errors import UsageError
from dnas_cli.nets.training_pass.execution_mode import ExecutionChoice
from dnas_cli.typed_fields import option

if TYPE_CHECKING:
    import torch

Divergence = Literal["stop", "backoff"]


@dataclass(frozen=True)
class ComputeOptions:
    """How to compute; the command line has an option for each."""

    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps.", panel="Machine")
    workers: int = option(
        -1, "Processes that load tiles; -1 chooses by the device.", panel="Machine"
    )
    threads: int = option(
        0,
        "CPU threads; 0 takes what affinity and container allow.",
        at_least=0,
        at_most=1024,
        panel="Machine",
    )
    checkpoint_every: float = option(
        10.0, "Between checkpoints inside an epoch.", metavar="MINUTES", panel="Machine"
    )
    on_divergence: Divergence = option(
        "stop",
        "backoff: return once to the last checkpoint, with a lower rate.",
        panel="Machine",
    )
    deterministic: bool = option(False, "The same bits every time on a GPU.", panel="Machine")
    mode: ExecutionChoice = option(
        "auto",
        "low: least memory; fast: least time; auto: by the free memory.",
        flag="--memory",
        panel="Machine",
    )

    @property
    def flags(self) -> str:
        """The flags that a command must repeat to resume in the same way."""
        flags = f" --device {self.device}" if self.device != "auto" else ""
        flags += " --on-divergence backoff" if self.on_divergence == "backoff" else ""
        flags += f" --threads {self.threads}" if self.threads else ""
        return flags + (" --deterministic" if self.deterministic else "")

    def resolve(self) -> "tuple[torch.device, int]":
        """Return the device and the number of workers.

        Raises:
            UsageError: There is no such device, or a value cannot work.
        """
        if self.workers < -1:
            raise UsageError(f"workers={self.workers}: must be 0 or more.")
        if not self.checkpoint_every >= 0:
            raise UsageError(f"checkpoint_every={self.checkpoint_every}: must be 0 or more.")
        if not 0 <= self.threads <= 1024:
            raise UsageError(f"threads={self.threads}: must be from 0 to 1024.")
        from dnas_cli.container import limit_threads
        from dnas_cli.nets.device import resolve_device
        from dnas_cli.training.ranks import own_device

        limit_threads(self.threads)

        device = own_device(resolve_device(self.device))
        # On a CPU the network itself keeps every core busy; a GPU needs its tiles loaded for it.
        chosen = (4 if device.type == "cuda" else 0) if self.workers == -1 else self.workers
        return device, chosen
