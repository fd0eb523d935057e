"""The head in training: its first convolution at each output's own resolution.

The head resizes all outputs to the finest, concatenates and convolves them. Most of that arithmetic
works on interpolated pixels: with outputs at four scales, 14 of 15 channels come from half of the
resolution or less.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.nets.map_operations import interpolation
from dnas_cli.nets.network import resize
from dnas_cli.nets.training_pass.recomputation import Outputs, Turn, recomputed


def classify(head: nn.Sequential, features: list[Tensor]) -> Tensor:
    """Return the logits at the finest resolution.

    Args:
        head: The plain network's head, in training mode.
        features: (N, C_k, H_k, W_k), finest first.
    """
    first, norm, drop, second, other_norm, other_drop, last = head
    x = joined_convolution(features, cast(nn.Conv2d, first).weight)
    for step in ((norm, drop, second), (other_norm, other_drop, last)):
        share = cast(nn.Dropout, step[1]).p
        block = _DroppedConvolution(cast(nn.BatchNorm2d, step[0]), share, cast(nn.Conv2d, step[2]))
        masks = [torch.rand_like(x, dtype=torch.float32) >= share] if share else []
        (x,) = recomputed(block, [x, *masks], block.parameters, keep=True)
    return x


def joined_convolution(features: list[Tensor], weight: Tensor) -> Tensor:
    """Return the conv3x3 of the features resized to the finest and concatenated.

    Exact: a convolution of concatenated maps is the sum of their convolutions, and each is linear,
    so its 1x1 parts may run before the resize (`_before_resize`).

    Args:
        features: (N, C_k, H_k, W_k), finest first.
        weight: (C_out, sum of C_k, 3, 3).
    """
    size = (features[0].shape[-2], features[0].shape[-1])
    parts = torch.split(weight, [x.shape[1] for x in features], 1)
    total: Tensor | None = None
    for x, part in zip(features, parts, strict=True):
        if _pays(x, size):
            result = _before_resize(x, part, size)
        else:
            result = F.conv2d(resize(x, size), part, padding=1)
        total = result if total is None else total.add_(result)
    assert total is not None
    return total


def _before_resize(x: Tensor, weight: Tensor, size: tuple[int, int]) -> Tensor:
    """Return conv3x3 of the resized map as products: 1x1 per tap, then both axes.

    A tap reads the resized map one pixel away, with zeros beyond the border. Along each axis,
    resize and shift are one matrix; the sum over the three taps of a row or a column is one product
    with the three matrices side by side.

    Args:
        x: (N, C, h, w).
        weight: (C_out, C, 3, 3).
        size: (H, W) of the result.

    Returns:
        (N, C_out, H, W), channels last in memory.
    """
    (count, channels), (h, w), out = x.shape[:2], x.shape[-2:], weight.shape[0]
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)  # (N*h*w, C)
    rows, columns = _shifts(h, size[0], x), _shifts(w, size[1], x)
    taps = weight.permute(2, 1, 3, 0).reshape(3, channels, -1)  # (3 rows, C, 3 columns * C_out)
    tall = sum(
        torch.matmul(rows[tap], (pixels @ taps[tap]).reshape(count, h, -1)) for tap in range(3)
    )  # (N, H, w * 3 * C_out)
    side_by_side = columns.permute(1, 2, 0).reshape(size[1], -1)  # (W, w * 3)
    wide = torch.matmul(side_by_side, cast(Tensor, tall).reshape(count * size[0], w * 3, out))
    return wide.reshape(count, *size, out).permute(0, 3, 1, 2)


def _shifts(size: int, to: int, like: Tensor) -> Tensor:
    """Return interpolation along an axis one before, at, and one after each position.

    Returns:
        (3, to, size), zero where the position lies beyond the border.
    """
    padded = F.pad(interpolation(size, to, like), (0, 0, 1, 1))
    return torch.stack([padded[shift : shift + to] for shift in range(3)])


def _pays(x: Tensor, size: tuple[int, int]) -> bool:
    """Whether `_before_resize` needs less arithmetic, which depends on the map's size."""
    (channels, h, w), (height, width) = x.shape[1:], size
    if (h, w) == size or x.device.type != "cpu":
        return False
    products = 9 * h * w * channels + 9 * height * h * w + 3 * height * width * w
    return products < 9 * height * width * channels


class _DroppedConvolution:
    """Normalisation, dropout and convolution: the rest of the head, in two such steps."""

    def __init__(self, norm: nn.BatchNorm2d, drop: float, conv: nn.Conv2d) -> None:
        self._norm, self._drop, self._conv = norm, drop, conv
        self.parameters: list[Tensor] = [*norm.parameters(), *conv.parameters()]

    def __call__(self, turn: Turn, x: Tensor, *masks: Tensor) -> Outputs:
        """Map (N, hidden, H, W); `masks` are the values that dropout keeps, if any."""
        # The scaling of the kept values goes into scale and shift.
        x = turn.normalise(x, self._norm, 1 / (1 - self._drop) if masks else None)
        if masks:
            x = x.mul_(masks[0])
        return (turn.convolve(x, self._conv),)
