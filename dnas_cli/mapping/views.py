"""Averages over mirrored and turned views of an image: test-time augmentation."""

from collections.abc import Callable

import torch
from torch import Tensor

from dnas_cli.mapping.map_options import Views

_TURNS: dict[Views, tuple[int, ...]] = {"plain": (0,), "flips": (0,), "d4": (0, 1)}
_AXES: dict[Views, tuple[tuple[int, ...], ...]] = {
    "plain": ((),),
    "flips": ((), (2,), (3,), (2, 3)),
    "d4": ((), (2,), (3,), (2, 3)),
}


def mean_probabilities(
    network: Callable[[Tensor], Tensor], images: Tensor, views: Views = "plain"
) -> Tensor:
    """Return class probabilities, the mean over views that are turned back.

    Args:
        network: Maps (N, B, H, W) to logits (N, classes, H, W).
        images: (N, B, H, W).

    Returns:
        (N, classes, H, W) float32.
    """
    total: Tensor | None = None
    for turn in _TURNS[views]:
        for axes in _AXES[views]:
            view = torch.rot90(images, turn, (2, 3)) if turn else images
            shares = torch.softmax(network(view.flip(axes) if axes else view).float(), dim=1)
            shares = shares.flip(axes) if axes else shares
            shares = torch.rot90(shares, -turn, (2, 3)) if turn else shares
            total = shares if total is None else total.add_(shares)
    assert total is not None
    count = len(_TURNS[views]) * len(_AXES[views])
    return total / count if count > 1 else total
