"""The head as the one linear map that it is in evaluation (method, section 1)."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5
"""Of batch normalisation."""


def linear_head(state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Compose conv3x3 - BN - conv3x3 - BN - conv1x1 into a 5x5 convolution, in float64.

    They agree but for the two outermost pixels of a map, where the second convolution sees zeros
    and not what the first would give there.

    Args:
        state: The head's state dict, under keys such as `0.weight`.

    Returns:
        Kernel (classes, C_in, 5, 5) and bias (classes).
    """
    first, second, last = (state[f"{layer}.weight"].double() for layer in (0, 3, 6))
    scale1, shift1 = _normalisation(state, 1)
    scale2, shift2 = _normalisation(state, 4)
    classify = last[:, :, 0, 0]  # (classes, hidden)
    both = torch.einsum("ch,hmyx->cmyx", classify * scale2, second)  # (classes, hidden, 3, 3)
    bias = state["6.bias"].double() + classify @ shift2 + both.sum((2, 3)) @ shift1
    # The sum over m, u and v of both[c, m, v] * first[m, i, u], at u + v.
    scaled = (first * scale1[:, None, None, None]).transpose(0, 1)
    return F.conv2d(scaled, both.flip(2, 3), padding=2).transpose(0, 1), bias


def _normalisation(state: Mapping[str, Tensor], layer: int) -> tuple[Tensor, Tensor]:
    """Return the scale and the shift of a batch normalisation in evaluation."""
    weight, bias, mean, variance = (
        state[f"{layer}.{name}"].double()
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / (variance + EPSILON).sqrt()
    return scale, bias - mean * scale
