"""The first step of folding: a network as a flat list of branches, each one affine map.

At inference, batch normalisation is an affine map of each channel, and so are the weights of edges
and operators. A branch is one operator of one edge with both folded into its convolution.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from dnas_cli.nets.network import Network, cell_key
from dnas_cli.nets.operators import ConvCell, GlobalAveragePool, OperatorCell
from dnas_cli.space.lattice import Node

Finish = Literal["relu", "sum", "average", "largest", "mean"]
"""What follows a branch's affine map before it joins the node's sum.

`relu` and `sum` (nothing) act per pixel, `average` and `largest` are the 3x3 pools; `mean` is the
mean over the map before the affine map and a ReLU after it.
"""


@dataclass(frozen=True, eq=False)
class Affine:
    """A convolution with bias.

    Attributes:
        weight: (C_out, C_in, kernel, kernel).
        bias: (C_out,).
    """

    weight: Tensor
    bias: Tensor

    def scaled(self, factor: Tensor) -> "Affine":
        """Return the map times a factor: one number, or one per output channel."""
        return Affine(self.weight * factor.reshape(-1, 1, 1, 1), self.bias * factor)


@dataclass(frozen=True, eq=False)
class Branch:
    """One operator of one edge.

    Attributes:
        target: The node whose sum it joins.
        affine: Its convolution; for separable convolutions, the pointwise one.
        dilation: Of its convolution.
        depthwise: (C_in, 1, kernel, kernel) for separable convolutions, else None.
        finish: What follows the affine map.
    """

    source: Node
    target: Node
    affine: Affine
    dilation: int
    depthwise: Tensor | None
    finish: Finish

    @property
    def kernel(self) -> int:
        """The size of the convolution's kernel."""
        return self.affine.weight.shape[-1]

    @property
    def resizes_late(self) -> bool:
        """Whether the affine map runs before the resize: it is 1x1, on a coarser map."""
        pointwise = self.kernel == 1 and self.depthwise is None and self.finish != "mean"
        return pointwise and self.target.scale < self.source.scale


def branches(network: Network) -> list[Branch]:
    """Return the branches of a network, in the order of its edges."""
    weights = {} if network.weighting is None else network.weighting()
    found: list[Branch] = []
    for item in network.graph.edges:
        cell = network.cells[cell_key(item)]
        if isinstance(cell, OperatorCell):
            factors = weights.get(item.target.key)
            for index, (name, operator) in enumerate(cell.operators.items()):
                factor = None if factors is None else factors[index]
                found.append(_operator_branch(item.source, item.target, name, operator, factor))
        elif isinstance(cell, ConvCell):
            conv, norm = cast(nn.Conv2d, cell[1]), cast(nn.BatchNorm2d, cell[2])
            affine = fold_norm(conv, norm)
            if item.key in weights:
                affine = affine.scaled(weights[item.key])
            found.append(Branch(item.source, item.target, affine, 1, None, "sum"))
        else:
            raise TypeError(f"unknown cell {type(cell).__name__}")
    return found


def fold_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Affine:
    """Return convolution and batch normalisation as one convolution.

    Exact: with running statistics, `(y - mean) / sqrt(var + eps) * weight + bias` is affine in `y`.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    if conv.bias is not None:
        shift = shift + conv.bias * scale
    return Affine(conv.weight * scale.reshape(-1, 1, 1, 1), shift)


def fold_stem(network: Network) -> list[tuple[Affine, int]]:
    """Return the convolutions of the stem with normalisation folded in, and their strides."""
    steps = []
    for step in network.stem:
        conv, norm, _ = cast(nn.Sequential, step)
        conv = cast(nn.Conv2d, conv)
        steps.append((fold_norm(conv, cast(nn.BatchNorm2d, norm)), int(conv.stride[0])))
    return steps


def _operator_branch(
    source: Node, target: Node, name: str, operator: nn.Module, factor: Tensor | None
) -> Branch:
    """Fold one operator.

    Exact, including its weight: a softmax is never negative, so it may go inside the ReLU and the
    pools.
    """
    layers = operator.project if isinstance(operator, GlobalAveragePool) else operator
    parts = list(cast(nn.Sequential, layers))
    separable = name.startswith("sep_conv")
    depthwise = cast(nn.Conv2d, parts.pop(0)).weight if separable else None
    conv, norm = cast(nn.Conv2d, parts[0]), cast(nn.BatchNorm2d, parts[1])
    affine = fold_norm(conv, norm)
    if factor is not None:
        affine = affine.scaled(factor)
    finishes: dict[str, Finish] = {
        "avg_pool_3x3": "average",
        "max_pool_3x3": "largest",
        "global_average_pool": "mean",
    }
    dilation = conv.dilation[0]
    return Branch(source, target, affine, dilation, depthwise, finishes.get(name, "relu"))
