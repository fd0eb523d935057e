"""A network as nodes of an ONNX graph, by the same rewrites as the folded network.

Batch normalisation goes into the convolutions, a node's feature is resized once per scale, 1x1
convolutions run before a resize to a finer scale, averaged branches are pooled once per node, and
global means stay vectors.
"""

from itertools import groupby
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dnas_cli.nets.folding.branches import Affine, Branch, branches, fold_norm, fold_stem
from dnas_cli.nets.network import Network
from dnas_cli.nets.onnx.graph import OnnxGraph, Size, Value
from dnas_cli.space.lattice import SCALES, STEM, Node


@torch.no_grad()
def add_network(graph: OnnxGraph, network: Network, image: Value, size: Size) -> Value:
    """Add a network in evaluation mode to a graph.

    Args:
        graph: Is added to.
        network: Any network; it is not changed.
        image: Normalised images (N, B, H, W).

    Returns:
        Logits (N, classes, H, W).
    """
    return _Writer(graph, network).logits(image, size)


class _Writer:
    def __init__(self, graph: OnnxGraph, network: Network) -> None:
        self._graph = graph
        self._network = network
        self._features: dict[tuple[Node, int], Value] = {}  # by node and scale
        self._sizes: list[Size] = []

    def logits(self, image: Value, size: Size) -> Value:
        x = self._stem(image)
        size = self._graph.half(self._graph.half(size))
        for _ in range(SCALES):
            self._sizes.append(size)
            size = self._graph.half(size)
        self._features[STEM, 0] = x
        found = branches(self._network)
        for node in self._network.graph.nodes:
            incoming = [branch for branch in found if branch.target == node]
            self._features[node, node.scale] = self._node(incoming)
        return self._graph.resize(self._head(), self._graph.size_of(image))

    def _stem(self, x: Value) -> Value:
        for affine, stride in fold_stem(self._network):
            x = self._graph.node("Relu", self._convolved(x, affine, stride=stride))
        return x

    def _node(self, incoming: list[Branch]) -> Value:
        """Return a node's feature: the sum of its branches."""
        graph = self._graph
        maps = [self._map(b) for b in incoming if b.finish not in ("average", "mean")]
        averages = [b for b in incoming if b.finish == "average"]
        if averages:
            maps.append(self._average(averages))
        vectors = [self._mean(b) for b in incoming if b.finish == "mean"]
        if not maps:
            size = self._sizes[incoming[0].target.scale]
            ones = graph.integers(1, 1)
            target = size if isinstance(size, str) else graph.integers(*size)
            shape = graph.node("Concat", ones, target, axis=0)
            return graph.node("Expand", graph.sum(vectors), shape)
        total = graph.sum(maps)
        return graph.sum([total, graph.sum(vectors)]) if vectors else total

    def _map(self, branch: Branch) -> Value:
        graph = self._graph
        if branch.resizes_late:
            y = self._convolved(self._feature(branch.source), branch.affine)
            y = graph.resize(y, self._sizes[branch.target.scale])
        else:
            x = self._feature(branch.source, branch.target.scale)
            if branch.finish == "sum":  # the cells of supernets begin with a ReLU
                x = graph.node("Relu", x)
            if branch.depthwise is not None:
                weight = _array(branch.depthwise)
                x = graph.convolution(x, weight, groups=len(weight))
            y = self._convolved(x, branch.affine, dilation=branch.dilation)
        if branch.finish == "relu":
            y = graph.node("Relu", y)
        elif branch.finish == "largest":
            y = graph.node("MaxPool", y, kernel_shape=[3, 3], pads=[1] * 4)
        return y

    def _average(self, averages: list[Branch]) -> Value:
        """Average the sum of branches; those of one resolution are resized once."""
        graph = self._graph
        scale = averages[0].target.scale
        kinds = sorted(averages, key=lambda b: b.source.scale if b.resizes_late else scale)
        sums = []
        for found, group in groupby(kinds, lambda b: b.source.scale if b.resizes_late else scale):
            y = graph.sum(
                [self._convolved(self._feature(b.source, found), b.affine) for b in group]
            )
            sums.append(y if found == scale else graph.resize(y, self._sizes[scale]))
        return graph.node(
            "AveragePool", graph.sum(sums), kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=0
        )

    def _mean(self, branch: Branch) -> Value:
        x = self._feature(branch.source, branch.target.scale)
        mean = self._graph.node("GlobalAveragePool", x)
        return self._graph.node("Relu", self._convolved(mean, branch.affine))

    def _head(self) -> Value:
        """Return logits at the finest resolution of the output nodes.

        The head has no ReLU. So everything after the first convolution's nine taps is linear per
        pixel: conv3x3 - BN - conv3x3 - BN - conv1x1 is one conv3x3 to nine numbers per class, one
        for each tap of the second convolution, and then the sum over these taps. What lies beyond
        the border is zero between the two, as it is in the head.
        """
        layers = list(self._network.head)
        first = fold_norm(cast(nn.Conv2d, layers[0]), cast(nn.BatchNorm2d, layers[1]))
        second = fold_norm(cast(nn.Conv2d, layers[3]), cast(nn.BatchNorm2d, layers[4]))
        last = cast(nn.Conv2d, layers[6])
        assert last.bias is not None
        to_classes = last.weight[:, :, 0, 0].double()
        outer = torch.einsum("ch,hiyx->yxci", to_classes, second.weight.double()).flatten(0, 2)
        taps = Affine(
            torch.einsum("ti,ijyx->tjyx", outer, first.weight.double()), outer @ first.bias.double()
        )
        bias = last.bias.double() + to_classes @ second.bias.double()
        classes = last.out_channels
        shifts = np.zeros((classes, 9 * classes, 3, 3), np.float32)
        for tap in range(9):
            for index in range(classes):
                shifts[index, tap * classes + index, tap // 3, tap % 3] = 1
        outputs = self._network.graph.outputs
        finest = outputs[0].scale
        x = [self._feature(node, finest) for node in outputs]
        joined = x[0] if len(x) == 1 else self._graph.node("Concat", *x, axis=1)
        return self._graph.convolution(self._convolved(joined, taps), shifts, _array(bias))

    def _feature(self, node: Node, scale: int | None = None) -> Value:
        """Return a node's feature at a scale; at its own when missing."""
        scale = node.scale if scale is None else scale
        if (node, scale) not in self._features:
            own = self._features[node, node.scale]
            self._features[node, scale] = self._graph.resize(own, self._sizes[scale])
        return self._features[node, scale]

    def _convolved(self, x: Value, affine: Affine, *, stride: int = 1, dilation: int = 1) -> Value:
        weight, bias = _array(affine.weight), _array(affine.bias)
        return self._graph.convolution(x, weight, bias, stride=stride, dilation=dilation)


def _array(value: Tensor) -> npt.NDArray[np.float32]:
    return np.asarray(value.detach().float().cpu().numpy(), np.float32)
