"""Pools, means and interpolation of feature maps, faster than PyTorch's own."""

from collections.abc import Callable, Hashable
from functools import cache, lru_cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

Made = TypeVar("Made")


def interpolation(size: int, to: int, like: Tensor) -> Tensor:
    """Return linear interpolation with aligned corners as a matrix.

    Entry (a, b) is the weight of input `b` in output `a`: a hat of width 1 around the position
    `a * (size - 1) / (to - 1)`. Bilinear resizing of a map is one such matrix along each axis.

    Args:
        size: Length of the input.
        to: Length of the output.
        like: Gives device and data type.

    Returns:
        (to, size).
    """
    exact = torch.promote_types(like.dtype, torch.float32)  # half precision cannot hold positions
    steps = torch.arange(to, device=like.device, dtype=exact)
    positions = steps * ((size - 1) / max(to - 1, 1))
    places = torch.arange(size, device=like.device, dtype=exact)
    return (1 - (positions[:, None] - places).abs()).clamp_min(0).to(like.dtype)


def mean_after_resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the mean over a map resized to `size`, without resizing it.

    Exact: resizing is linear, so the mean is a weighted mean of the given map.

    Args:
        x: (N, C, H, W).
        size: Height and width that the map would be resized to.

    Returns:
        (N, C, 1, 1).
    """
    height, width = x.shape[-2:]
    if (height, width) == size:
        return x.mean((2, 3), keepdim=True)
    weights, total = kept(_mean_weights)((height, width), size, x.dtype, x.device)
    flat = x.permute(0, 2, 3, 1).reshape(x.shape[0], height * width, x.shape[1])
    return (torch.matmul(weights, flat) / total)[:, :, None, None]


def _mean_weights(
    size: tuple[int, int], to: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return the weight of each pixel in the mean (H * W,), and their sum: 1 but for rounding."""
    exact = torch.empty(0, dtype=torch.promote_types(dtype, torch.float32), device=device)
    rows = interpolation(size[0], to[0], exact).mean(0)  # (H,)
    columns = interpolation(size[1], to[1], exact).mean(0)  # (W,)
    weights = (rows[:, None] * columns).reshape(-1).to(dtype)
    return weights, weights.sum(dtype=exact.dtype)


def kept(make: Callable[..., Made]) -> Callable[..., Made]:
    """Return a function of sizes that caches its last results; callers must not change them.

    Results are made outside of inference mode, in which a tensor could not be part of a gradient
    later. Compilers and exporters get the function without the cache.
    """
    return make if is_traced() else _remembering(make)


@cache
def _remembering(make: Callable[..., Made]) -> Callable[..., Made]:
    @lru_cache(maxsize=64)
    def remembered(*arguments: Hashable) -> Made:
        with torch.inference_mode(False), torch.no_grad():
            return make(*arguments)

    return remembered


def max_pool(x: Tensor) -> Tensor:
    """Return the 3x3 maximum at stride 1; on a CPU it overwrites `x`.

    Exact: the maximum over a square is the maximum over columns of maxima over rows. PyTorch's own
    pooling takes twice as long, because it also keeps the position of each maximum.
    """
    if x.device.type != "cpu" or is_traced():
        return F.max_pool2d(x, 3, stride=1, padding=1)
    spare = torch.empty_like(x)
    for axis in (2, 3):
        _max_of_three_(x, axis, spare)
    return x


def _max_of_three_(x: Tensor, axis: int, spare: Tensor) -> None:
    """Replace each value by the maximum of itself and its two neighbours along an axis."""
    length = x.shape[axis]
    if length == 1:
        return
    pairs = spare.narrow(axis, 0, length - 1)
    torch.maximum(x.narrow(axis, 0, length - 1), x.narrow(axis, 1, length - 1), out=pairs)
    inner, one = length - 2, 1
    x.narrow(axis, 0, one).copy_(pairs.narrow(axis, 0, one))
    x.narrow(axis, length - 1, one).copy_(pairs.narrow(axis, inner, one))
    if inner:
        torch.maximum(
            pairs.narrow(axis, 0, inner), pairs.narrow(axis, 1, inner), out=x.narrow(axis, 1, inner)
        )


def is_traced() -> bool:
    """Whether a compiler or an exporter traces the call: it needs the plain operators."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


def average_pool(x: Tensor) -> Tensor:
    """Return the 3x3 mean at stride 1; pixels beyond the border do not count.

    On a CPU it is a depthwise convolution, which takes a third of the time of PyTorch's pooling.
    Exact: it divides by 9 everywhere, and is corrected where only two of three pixels count.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32 or is_traced():
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    channels = x.shape[1]
    ninths = kept(_ninths)(channels, x.dtype, x.device)
    y = F.conv2d(x, ninths, padding=1, groups=channels)
    for axis in (2, 3):
        if y.shape[axis] == 1:
            y *= 3
        else:
            for end in (0, -1):
                y.select(axis, end).mul_(1.5)
    return y


def _ninths(channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the kernel of a 3x3 mean (channels, 1, 3, 3)."""
    return torch.full((channels, 1, 3, 3), 1 / 9, dtype=dtype, device=device)
