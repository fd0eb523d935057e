"""Convolutions with constant weights and an optional ReLU."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.nets.folding.branches import Affine
from dnas_cli.nets.map_operations import is_traced


class Convolution(nn.Module):
    """A convolution that keeps the resolution (or divides it by its stride), with an optional ReLU.

    On a CPU, PyTorch reorders weights for its kernels at every call, and applies a ReLU in a pass
    of its own. Here constant weights are reordered once, and the kernel applies the ReLU: the
    operators are those that `torch.compile` uses.

    Args:
        weight: (C_out, C_in / groups, kernel, kernel).
        bias: (C_out,).
        relu: Whether a ReLU follows.
        stride: Of the convolution.
        dilation: Of the convolution.
        groups: 1, or C_in for a depthwise convolution.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        relu: bool = False,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.weight = constant(weight.contiguous(memory_format=torch.channels_last))
        self.bias = None if bias is None else constant(bias)
        self.relu = relu
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.padding = dilation * (weight.shape[-1] // 2)
        self._packed: tuple[torch.Size, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H / stride, W / stride), rounded up."""
        if _can_pack(x):
            return self._run_packed(x)
        y = F.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        return F.relu_(y) if self.relu else y

    def add_to(self, total: Tensor, x: Tensor) -> None:
        """Add the convolution of `x`, without a ReLU, to a map in channels-last layout.

        The kernel adds in place, so the result never needs a map of its own.
        """
        assert not self.relu
        if _can_pack(x):
            torch.ops.mkldnn._convolution_pointwise_.binary(
                total,
                x,
                self._weight_for(x),
                self.bias,
                *self._geometry,
                "add",
                1.0,
                None,
                [],
                None,
            )
        else:
            total += self(x)

    def _run_packed(self, x: Tensor) -> Tensor:
        after = "relu" if self.relu else "none"
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight_for(x), self.bias, *self._geometry, after, [], ""
        )
        return y

    def _weight_for(self, x: Tensor) -> Tensor:
        if self._packed is None or self._packed[0] != x.shape:
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, *self._geometry, list(x.shape)
            )
            self._packed = (x.shape, packed)
        return self._packed[1]

    @property
    def _geometry(self) -> tuple[list[int], list[int], list[int], int]:
        return [self.padding] * 2, [self.stride] * 2, [self.dilation] * 2, self.groups

    def __getstate__(self) -> dict[str, Any]:
        """Drop the reordered weights when the module is copied or pickled."""
        return {**self.__dict__, "_packed": None}


def joint_convolution(
    affines: list[Affine], *, relu: bool = False, stride: int = 1, dilation: int = 1
) -> Convolution:
    """Return one convolution whose output channels are those of all, one after the other."""
    weight = torch.cat([affine.weight for affine in affines])
    bias = torch.cat([affine.bias for affine in affines])
    return Convolution(weight, bias, relu=relu, stride=stride, dilation=dilation)


def constant(value: Tensor) -> nn.Parameter:
    """Return a constant parameter that shares no memory with `value`."""
    return nn.Parameter(value.detach().clone(), requires_grad=False)


def _can_pack(x: Tensor) -> bool:
    return (
        _PACKABLE
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not (x.requires_grad and torch.is_grad_enabled())
        and torch._C._get_mkldnn_enabled()
        and not is_traced()
    )


_PACKABLE = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
