"""Mixed precision: 16-bit arithmetic where the device is built for it, plain elsewhere."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from dnas_cli.nets.device import half_precision


class Precision:
    """Runs the forward pass and the optimizer step in the precision that fits the device.

    Args:
        device: Of the network.
        half: The 16-bit numbers; those of the device, if any, when missing.
    """

    def __init__(self, device: torch.device, half: torch.dtype | None = None) -> None:
        self._half = half or half_precision(device)
        # Only float16 has too small a range for gradients.
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._half == torch.float16)
        self._device = device

    @property
    def scales(self) -> bool:
        """Whether losses are scaled, by a factor that follows the gradients."""
        return bool(self._scaler.is_enabled())

    def autocast(self) -> torch.autocast:
        """Return the context for forward passes."""
        dtype = self._half or torch.bfloat16  # of no meaning where it is not enabled
        return torch.autocast(self._device.type, dtype=dtype, enabled=self._half is not None)

    def backward(self, loss: Tensor) -> None:
        """Compute gradients of the loss, scaled."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: Optimizer) -> None:
        """Take the optimizer's step with the gradients."""
        self._scaler.step(optimizer)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return self._scaler.state_dict()

    def load(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        if state:
            self._scaler.load_state_dict(state)
