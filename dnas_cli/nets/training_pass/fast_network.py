"""The forward pass of training: the plain network's numbers and gradients, in less time and memory.

It uses the plain network's own parameters and running statistics, so state dicts and optimizers
stay the same. Like the folded network it pushes: when a node is complete, its cells to all later
nodes of one scale run as one block, which shares the resize.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.nets.map_operations import mean_after_resize
from dnas_cli.nets.network import Network, cell_key, resize
from dnas_cli.nets.operators import GlobalAveragePool, OperatorCell
from dnas_cli.nets.training_pass.cells import AveragePool, Cell, CellsOfSource, pieces
from dnas_cli.nets.training_pass.head import classify
from dnas_cli.nets.training_pass.recomputation import Turn, recomputed
from dnas_cli.space.lattice import STEM, Edge, Node, scale_sizes

Weights = dict[str, Tensor]


class FastTraining:
    """Runs a network in training mode; call it in place of the network.

    Args:
        network: The plain network; its parameters and running statistics are used and updated.
        keep: Whether to keep results of convolutions for the backward pass. Without them the pass
            saves least and computes them twice.
    """

    def __init__(self, network: Network, keep: bool = True) -> None:
        self.network = network
        self._keep = keep
        graph = network.graph
        self._outgoing: dict[Node, list[list[Edge]]] = {}
        for source in (STEM, *graph.nodes):
            scales: dict[tuple[int, ...], list[Edge]] = {}
            for item in graph.edges:
                if item.source == source:
                    # Blocks without kept results recompute everything: keep them small.
                    key = (item.target.scale,) if keep else (item.target.scale, item.target.layer)
                    scales.setdefault(key, []).append(item)
            self._outgoing[source] = list(scales.values())
        # Kernels for this layout need weights in it, and would copy them at every call. Values,
        # names and identity of the parameters do not change.
        for parameter in network.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self._counters = [
            cast(Tensor, module.num_batches_tracked)
            for part in (network.cells, network.head)
            for module in part.modules()
            if isinstance(module, nn.BatchNorm2d)
        ]

    def __call__(self, image: Tensor) -> Tensor:
        """Map normalised images (N, B, H, W) to logits (N, classes, H, W), at any size.

        In evaluation mode this is the plain network.
        """
        network = self.network
        if not network.training:
            return network(image)  # type: ignore[no-any-return]
        torch._foreach_add_(self._counters, 1)
        weights = {} if network.weighting is None else network.weighting()
        stem = network.stem(image.contiguous(memory_format=torch.channels_last))
        sizes = scale_sizes(stem.shape[-2], stem.shape[-1])
        arrived = {node: _Arrived() for node in network.graph.nodes}
        self._push(STEM, stem, sizes, weights, arrived)
        outputs = []
        for node in network.graph.nodes:
            feature = arrived.pop(node).total(sizes[node.scale])
            if self._outgoing[node]:
                self._push(node, feature, sizes, weights, arrived)
            else:
                outputs.append(feature)
        return resize(classify(network.head, outputs), (image.shape[-2], image.shape[-1]))

    def _push(
        self,
        source: Node,
        x: Tensor,
        sizes: tuple[tuple[int, int], ...],
        weights: Weights,
        arrived: "dict[Node, _Arrived]",
    ) -> None:
        for edges in self._outgoing[source]:
            size = sizes[edges[0].target.scale]
            cells = [cast(Cell, self.network.cells[cell_key(item)]) for item in edges]
            # Of an edge its weight, or those of its target's operators.
            factors = [weights.get(item.target.key, weights.get(item.key)) for item in edges]
            for item, cell, factor in zip(edges, cells, factors, strict=True):
                if isinstance(cell, OperatorCell) and "global_average_pool" in cell.operators:
                    arrived[item.target].add("vector", _global_pool(x, size, cell, factor))
            # Cells of weight one must not shift the others' weights: they are blocks of their own.
            for weighted in (True, False):
                chosen = [
                    k
                    for k, factor in enumerate(factors)
                    if (factor is not None) == weighted and any(pieces(cells[k]))
                ]
                if not chosen:
                    continue
                block = CellsOfSource([cells[k] for k in chosen], size)
                inputs = [x, *(cast(Tensor, factors[k]) for k in chosen if weighted)]
                found = iter(recomputed(block, inputs, block.parameters, self._keep))
                for position, kind in enumerate(("map", "average")):
                    for k in chosen:
                        if pieces(cells[k])[position]:
                            arrived[edges[k].target].add(kind, next(found))


class _Arrived:
    """The sums of a node so far: a map, a map to be averaged, a vector."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, kind: str, x: Tensor) -> None:
        if kind not in self._sums:
            self._sums[kind] = x
        elif kind == "vector":
            self._sums[kind] = self._sums[kind] + x
        else:
            self._sums[kind].add_(x)

    def total(self, size: tuple[int, int]) -> Tensor:
        total = self._sums.get("map")
        if "average" in self._sums:
            pooled: Tensor = AveragePool.apply(self._sums["average"])  # type: ignore[no-untyped-call]
            total = pooled if total is None else total.add_(pooled)
        if "vector" in self._sums:
            vector = self._sums["vector"]
            if total is None:
                return vector.expand(-1, -1, *size).contiguous(memory_format=torch.channels_last)
            total = total.add_(vector)
        assert total is not None
        return total


def _global_pool(
    x: Tensor, size: tuple[int, int], cell: OperatorCell, factors: Tensor | None
) -> Tensor:
    """Return the cell's global average pool as a vector (N, C, 1, 1)."""
    operator = cast(GlobalAveragePool, cell.operators["global_average_pool"])
    conv, norm, _ = operator.project
    factor = None
    if factors is not None:
        factor = factors[list(cell.operators).index("global_average_pool")]
    z = cast(nn.Conv2d, conv)(mean_after_resize(x, size))
    return F.relu(Turn().normalise(z, cast(nn.BatchNorm2d, norm), factor))
