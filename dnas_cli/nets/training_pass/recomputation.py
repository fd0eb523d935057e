"""Saving less for the backward pass: cheap results are computed twice instead of kept.

A plain forward pass keeps the input of every convolution, the input of every normalisation, the
result of every ReLU, and the positions of the maxima of a max pool. `recomputed` keeps a block's
input and optionally the results of its convolutions, which take most time; in the backward pass it
runs the block again from these and differentiates it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Outputs = tuple[Tensor, ...]


class Block(Protocol):
    """A part of a network that can be run twice.

    It convolves through `turn.convolve` and normalises through `turn.normalise`. It uses no tensors
    with gradients except its inputs and parameters, and draws no random numbers.
    """

    def __call__(self, turn: "Turn", x: Tensor, /, *others: Tensor) -> Outputs:
        """Compute the block."""


class Turn:
    """One run of a block: the first, or the second from the kept results of the first.

    Args:
        kept: Results of convolutions, in order, to reuse; None in the first run.
    """

    def __init__(self, kept: Sequence[Tensor] | None = None) -> None:
        self.made: list[Tensor] = []
        self._kept: Iterator[Tensor] | None = None if kept is None else iter(kept)
        self._first = kept is None

    def convolve(self, x: Tensor, conv: nn.Conv2d) -> Tensor:
        """Convolve, or return the kept result."""
        result = None if self._kept is None else next(self._kept, None)
        if result is None:
            made: Tensor = conv(x)
            self.made.append(made)
            return made
        dtype = result.dtype  # under autocast it differs from the weight's
        bias = None if conv.bias is None else conv.bias.to(dtype)
        geometry = (conv.padding, conv.dilation, conv.groups)
        return _KeptConvolution.apply(  # type: ignore[no-any-return, no-untyped-call]
            result, x.to(dtype), conv.weight.to(dtype), bias, geometry
        )

    def normalise(
        self, x: Tensor, norm: nn.BatchNorm2d, factor: Tensor | float | None = None
    ) -> Tensor:
        """Normalise by the batch, times a factor; only the first run updates running statistics.

        The factor goes into scale and shift, so it costs no pass over the map, and its gradient
        comes from theirs.
        """
        scale: Tensor = norm.weight
        shift: Tensor = norm.bias
        if factor is not None:
            scale, shift = scale * factor, shift * factor
        mean, variance = (norm.running_mean, norm.running_var) if self._first else (None, None)
        momentum = 0.0 if norm.momentum is None else norm.momentum
        return F.batch_norm(x, mean, variance, scale, shift, True, momentum, norm.eps)


def recomputed(
    block: Block, inputs: Sequence[Tensor], parameters: Sequence[Tensor], keep: bool
) -> Outputs:
    """Run a block so that little is saved for its backward pass.

    Args:
        inputs: Its inputs; they are saved.
        keep: Whether to save the results of its convolutions instead of computing them twice.

    Returns:
        The block's results, with the same gradients.
    """
    outputs: Outputs = _Recomputed.apply(  # type: ignore[no-untyped-call]
        block, keep, len(inputs), *inputs, *parameters
    )
    return outputs


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, block: Block, keep: bool, count: int, *tensors: Tensor) -> Outputs:
        turn = Turn()
        outputs = block(turn, *tensors[:count])
        ctx.block, ctx.count, ctx.parameters = block, count, tensors[count:]
        ctx.save_for_backward(*tensors[:count], *(turn.made if keep else ()))
        ctx.autocast = _autocast(tensors[0].device.type)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        inputs = [
            tensor.detach().requires_grad_(need)
            for tensor, need in zip(saved[: ctx.count], needed[: ctx.count], strict=True)
        ]
        kept = [tensor.detach() for tensor in saved[ctx.count :]]  # one may be this block's output
        with torch.enable_grad(), ctx.autocast():
            outputs = ctx.block(Turn(kept), *inputs)
        wanted = [t for t, need in zip((*inputs, *ctx.parameters), needed, strict=True) if need]
        pairs = [
            (output, gradient.to(output.dtype))
            for output, gradient in zip(outputs, gradients, strict=True)
            if output.requires_grad and gradient is not None
        ]
        found = iter(
            torch.autograd.grad(
                [output for output, _ in pairs],
                wanted,
                [gradient for _, gradient in pairs],
                allow_unused=True,
            )
        )
        return (None, None, None, *(next(found) if need else None for need in needed))


class _KeptConvolution(torch.autograd.Function):
    """A convolution at stride 1 with a known result; only its backward pass computes."""

    @staticmethod
    def forward(
        ctx: Any,
        result: Tensor,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        geometry: tuple[tuple[int, int], tuple[int, int], int],
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        return result.view_as(result)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        padding, dilation, groups = ctx.geometry
        needs = list(ctx.needs_input_grad[1:4])
        sizes = [weight.shape[0]]
        found = torch.ops.aten.convolution_backward(
            gradient, x, weight, sizes, [1, 1], padding, dilation, False, [0, 0], groups, needs
        )
        return None, *found, None


def _autocast(device: str) -> Callable[[], AbstractContextManager[None] | torch.autocast]:
    if not torch.amp.is_autocast_available(device):
        return nullcontext
    enabled, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    return lambda: torch.autocast(device, dtype=dtype, enabled=enabled)
