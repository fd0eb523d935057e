"""The branches from a node to later nodes, computed together once the node is complete.

Branches with the same target resolution share the resize, and those with the same kind of
convolution run as one.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.nets.folding.branches import Branch, Finish
from dnas_cli.nets.folding.convolution import Convolution, constant, joint_convolution
from dnas_cli.nets.folding.incoming import Sums
from dnas_cli.nets.map_operations import max_pool, mean_after_resize
from dnas_cli.nets.network import resize
from dnas_cli.space.lattice import Node

Sizes = tuple[tuple[int, int], ...]
Pending = dict[Node, Sums]
Key = TypeVar("Key", bound=Hashable)


class FoldedSource(nn.Module):
    """All branches out of one node.

    A 1x1 convolution mixes channels and a resize mixes pixels with weights that sum to one, so they
    commute, bias included. To finer scales the convolution runs first, to coarser scales the
    resize: each where the map is small.

    Args:
        outgoing: The branches.
        rectified: Whether every cell begins with a ReLU (stages 1 and 2).
    """

    def __init__(self, outgoing: list[Branch], rectified: bool) -> None:
        super().__init__()
        early = [b for b in outgoing if b.resizes_late]
        late = [b for b in outgoing if not b.resizes_late]
        means = [b for b in late if b.finish == "mean"]
        late = [b for b in late if b.finish != "mean"]
        self.rectified = rectified
        self.means = nn.ModuleList(map(Means, _grouped(means, lambda b: b.target.scale)))
        self.early = nn.ModuleList(map(BranchesAtScale, _grouped(early, lambda b: b.target.scale)))
        self.late = nn.ModuleList(map(BranchesAtScale, _grouped(late, lambda b: b.target.scale)))

    def forward(self, x: Tensor, sizes: Sizes, pending: Pending) -> None:
        """Compute the branches and add them to the sums of their targets.

        Args:
            x: (N, C, H, W), the node's feature.
            sizes: Height and width of each scale.
            pending: The sums of later nodes.
        """
        for group in (*self.means, *self.early):
            group(x, sizes, pending)
        for module in self.late:
            group = cast(BranchesAtScale, module)
            resized = resize(x, sizes[group.scale])
            group(F.relu(resized) if self.rectified else resized, sizes, pending)


class BranchesAtScale(nn.Module):
    """Branches of one node to targets of one scale, grouped by kind."""

    def __init__(self, found: list[Branch]) -> None:
        super().__init__()
        self.scale = found[0].target.scale
        separable = [b for b in found if b.depthwise is not None]
        averages = [b for b in found if b.finish == "average"]
        joint = [b for b in found if b.depthwise is None and b.finish != "average"]
        kinds = _grouped(joint, lambda b: (b.kernel, b.dilation, b.finish))
        self.groups = nn.ModuleList(
            [
                *map(JointConvolution, kinds),
                *map(SeparableConvolution, separable),
                *map(Average, averages),
            ]
        )

    def forward(self, x: Tensor, sizes: Sizes, pending: Pending) -> None:
        """Compute all branches of (N, C, H, W) and add them to the sums of their targets."""
        for group in self.groups:
            group(x, sizes, pending)


class JointConvolution(nn.Module):
    """Convolutions of one kind from one input, run as one with their kernels side by side."""

    def __init__(self, found: list[Branch]) -> None:
        super().__init__()
        self.finish: Finish = found[0].finish
        self.targets = [b.target for b in found]
        # A ReLU must follow a resize, which only branches to finer scales still need.
        self.resizes = found[0].resizes_late
        relu = self.finish == "relu" and not self.resizes
        self.conv = joint_convolution(
            [b.affine for b in found], relu=relu, dilation=found[0].dilation
        )

    def forward(self, x: Tensor, sizes: Sizes, pending: Pending) -> None:
        """Convolve (N, C, H, W), finish and add the parts to the sums of their targets."""
        y = self.conv(x)
        if self.resizes:
            y = resize(y, sizes[self.targets[0].scale])
            if self.finish == "relu":
                y = F.relu_(y)
        if self.finish == "largest":
            y = max_pool(y)
        if len(self.targets) == 1:
            pending[self.targets[0]].add_map(y, shared=False)
            return
        for target, part in zip(self.targets, y.chunk(len(self.targets), 1), strict=True):
            pending[target].add_map(part, shared=True)


class SeparableConvolution(nn.Module):
    """A depthwise convolution, then a pointwise one."""

    def __init__(self, branch: Branch) -> None:
        super().__init__()
        assert branch.depthwise is not None
        self.depthwise = Convolution(branch.depthwise, None, groups=branch.depthwise.shape[0])
        self.pointwise = JointConvolution([branch])

    def forward(self, x: Tensor, sizes: Sizes, pending: Pending) -> None:
        """Compute the branch of (N, C, H, W) and add it to the sum of its target."""
        self.pointwise(self.depthwise(x), sizes, pending)


class Average(nn.Module):
    """A 1x1 convolution, to be averaged with all others of its target."""

    def __init__(self, branch: Branch) -> None:
        super().__init__()
        self.target = branch.target
        self.conv = joint_convolution([branch.affine])

    def forward(self, x: Tensor, sizes: Sizes, pending: Pending) -> None:
        """Add the branch of (N, C, H, W) to the sum of its target."""
        pending[self.target].add_average(x, self.conv)


class Means(nn.Module):
    """Global means, for targets of one scale: a vector each."""

    def __init__(self, found: list[Branch]) -> None:
        super().__init__()
        self.scale = found[0].target.scale
        self.targets = [b.target for b in found]
        self.weight = constant(torch.cat([b.affine.weight.flatten(1) for b in found]))
        self.bias = constant(torch.cat([b.affine.bias for b in found]))

    def forward(self, x: Tensor, sizes: Sizes, pending: Pending) -> None:
        """Add the branches of (N, C, H, W) to the sums of their targets."""
        mean = mean_after_resize(x, sizes[self.scale])[:, :, 0, 0]
        y = F.relu_(F.linear(mean, self.weight, self.bias))[:, :, None, None]
        for target, part in zip(self.targets, y.chunk(len(self.targets), 1), strict=True):
            pending[target].add_vector(part)


def _grouped(found: Iterable[Branch], key: Callable[[Branch], Key]) -> list[list[Branch]]:
    groups: dict[Key, list[Branch]] = {}
    for branch in found:
        groups.setdefault(key(branch), []).append(branch)
    return list(groups.values())
