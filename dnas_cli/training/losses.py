"""Losses over labelled pixels; ignored ones count for nothing (method, section 6)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from dnas_cli.scenes.palette import IGNORE
from dnas_cli.training.settings import Loss

FOCAL_GAMMA = 2.0
FOCAL_ALPHA = 0.5


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy over labelled pixels; 0 when there are none.

    Args:
        logits: (N, C, H, W).
        target: (N, H, W) class indices, 255 ignored.
    """
    total = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="sum")
    return total / (target != IGNORE).sum().clamp(min=1)


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean focal loss over labelled pixels; 0 when there are none.

    `alpha * (1 - p)^gamma * cross-entropy` with p the probability of the right class.
    """
    losses = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")  # (N, H, W)
    weighted = FOCAL_ALPHA * (1 - torch.exp(-losses)) ** FOCAL_GAMMA * losses
    return weighted.sum() / (target != IGNORE).sum().clamp(min=1)


LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": cross_entropy,
    "focal": focal,
}
