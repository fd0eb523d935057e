"""Mixed precision: on CUDA, half-precision arithmetic with a scaled loss; plain elsewhere."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Precision:
    """Runs the forward pass and the optimizer step in the precision that fits the device."""

    def __init__(self, device: torch.device) -> None:
        self.mixed = device.type == "cuda"
        self._scaler = torch.amp.GradScaler("cuda", enabled=self.mixed)
        self._device = device

    def autocast(self) -> torch.autocast:
        """Return the context for forward passes."""
        return torch.autocast(self._device.type, dtype=torch.float16, enabled=self.mixed)

    def update(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Compute gradients of the loss and take the optimizer's step."""
        optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(optimizer)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return self._scaler.state_dict()

    def load(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        if state:
            self._scaler.load_state_dict(state)
