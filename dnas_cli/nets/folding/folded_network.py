"""The network that maps and evaluates: the plain network's numbers, in a fraction of its time.

`fold` rewrites a network into one that gives the same logits up to rounding. Data is pushed: when a
node is complete, its contributions to all later nodes are computed at once and added to their sums.
So each resize happens once per node and scale, convolutions of one node run as one, and no feature
map is kept longer than necessary. The modules:

    branches        normalisation and weights go into the convolutions
    outgoing        from one node: shared resizes, joint convolutions, 1x1 first
    incoming        into one node: pools merge, global means stay vectors
    convolution     weights reordered once, ReLUs inside
    map_operations  pools, means and interpolation (in the room above)
    head            the head as one linear map
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from dnas_cli.nets.folding.branches import Branch, branches, fold_stem
from dnas_cli.nets.folding.convolution import joint_convolution
from dnas_cli.nets.folding.head import FoldedHead
from dnas_cli.nets.folding.incoming import Sums
from dnas_cli.nets.folding.outgoing import FoldedSource
from dnas_cli.nets.network import Network, resize
from dnas_cli.nets.operators import ConvCell
from dnas_cli.space.lattice import STEM, Node, scale_sizes


def fold(network: Network) -> "FoldedNetwork":
    """Return a network that gives the same logits as `network` in evaluation mode, faster.

    The result is a snapshot: it shares no parameter with the network, cannot be trained, and does
    not change when the network learns.

    Folding computes in double precision, which not every device can: it is done on the CPU.

    Args:
        network: Any network; it is not changed.
    """
    device = next(network.parameters()).device
    with torch.no_grad():
        return FoldedNetwork(deepcopy(network).cpu()).eval().to(device)


class FoldedNetwork(nn.Module):
    """Gives the logits of a plain network in evaluation mode; returned by `fold`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.graph = network.graph
        self.shape = network.shape
        self.stem = nn.ModuleList(
            joint_convolution([affine], relu=True, stride=stride)
            for affine, stride in fold_stem(network)
        )
        outgoing: dict[Node, list[Branch]] = {}
        for branch in branches(network):
            outgoing.setdefault(branch.source, []).append(branch)
        rectified = any(isinstance(cell, ConvCell) for cell in network.cells.values())
        self.sources = nn.ModuleDict(
            {_key(source): FoldedSource(found, rectified) for source, found in outgoing.items()}
        )
        self.head = FoldedHead(network)

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, B, H, W) to logits (N, classes, H, W), at any size."""
        x = image.contiguous(memory_format=torch.channels_last)
        for conv in self.stem:
            x = conv(x)
        sizes = scale_sizes(x.shape[-2], x.shape[-1])
        pending = {node: Sums() for node in self.graph.nodes}
        self.sources[_key(STEM)](x, sizes, pending)
        outputs = []
        for node in self.graph.nodes:
            x = pending.pop(node).total(len(image), sizes[node.scale])
            if _key(node) in self.sources:
                self.sources[_key(node)](x, sizes, pending)
            else:
                outputs.append(x)
        logits: Tensor = self.head(outputs)
        return resize(logits, (image.shape[-2], image.shape[-1]))


def _key(node: Node) -> str:
    return "stem" if node == STEM else f"{node.layer}_{node.scale}"
