"""Checks for numbers that are not finite, which are never saved."""

import math

import torch
from torch import nn

from dnas_cli.errors import DnasError


class DivergedError(DnasError):
    """A loss or a weight is not finite."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"training diverged: {what}; the last good checkpoint is intact.",
            "Resume with on_divergence=backoff, or start over with a lower learning rate "
            "(branch=NEW_RUN, or restart=True and overwrite=True).",
        )


def check_loss(value: float) -> float:
    """Return the value of a loss, which must be finite.

    Raises:
        DivergedError: The loss is not finite.
    """
    if not math.isfinite(value):
        raise DivergedError(f"the loss became {value}")
    return value


def check_weights(network: nn.Module) -> None:
    """Check that every weight and running statistic is finite.

    Raises:
        DivergedError: A value is not finite.
    """
    tensors = {k: v for k, v in network.state_dict().items() if v.is_floating_point()}
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in tensors.values()])
    for name, is_finite in zip(tensors, finite.tolist(), strict=True):
        if not is_finite:
            raise DivergedError(f"{name} is not finite")
