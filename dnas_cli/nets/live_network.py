"""A trained supernet with only the edges and operators of one coding alive.

So a candidate is scored without being trained: it runs on the supernet's own weights. What batch
normalisation knows belongs to the whole supernet, and has to be measured again for the candidate
(`training.averaging.measure_statistics`); then the scale of what is left makes no difference.
"""

from typing import cast

import torch
from torch import Tensor

from dnas_cli.nets.network import Network, cell_key, resize
from dnas_cli.nets.operators import OperatorCell
from dnas_cli.space.coding import ArchitectureCoding, Coding, ConnectionCoding, PathCoding
from dnas_cli.space.lattice import STEM, Edge, Graph, Node, scale_sizes
from dnas_cli.space.operators import OPERATORS
from dnas_cli.space.spaces import core_edges


class LiveNetwork(Network):
    """The part of a supernet that a coding keeps; it shares the supernet's modules.

    Args:
        supernet: The trained supernet of the stage that the coding is a result of.
        coding: A path, connections, or an architecture of its space.

    Raises:
        ValueError: The supernet has no such edge.
    """

    def __init__(self, supernet: Network, coding: Coding) -> None:
        torch.nn.Module.__init__(self)
        self.graph, self.shape = supernet.graph, supernet.shape
        self.stem, self.cells, self.head = supernet.stem, supernet.cells, supernet.head
        self.weighting = supernet.weighting
        self._live = live_graph(coding)
        unknown = set(self._live.edges) - set(supernet.graph.edges)
        if unknown:
            raise ValueError(f"the supernet has no edge {min(unknown).key}")
        self._chosen: dict[str, Tensor] = {}
        if isinstance(coding, ArchitectureCoding):
            for node, names in zip(coding.graph.nodes, coding.operators, strict=True):
                self._chosen[node.key] = torch.tensor([name in names for name in OPERATORS])

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, B, H, W) to logits (N, classes, H, W)."""
        assert self.weighting is not None
        stem = self.stem(image)
        sizes = scale_sizes(stem.shape[-2], stem.shape[-1])
        weights, features = self.weighting(), {STEM: stem}
        for node in self._live.nodes:
            features[node] = self._sum(node, features, sizes[node.scale], weights)
        for node in self.graph.outputs:  # what the head expects, and nothing feeds now
            if node not in features:
                size = (len(image), self.shape.channels(node), *sizes[node.scale])
                features[node] = stem.new_zeros(size)
        return self._classify(features, (image.shape[-2], image.shape[-1]))

    def _sum(
        self,
        node: Node,
        features: dict[Node, Tensor],
        size: tuple[int, int],
        weights: dict[str, Tensor],
    ) -> Tensor:
        results = []
        for item in self._live.incoming(node):
            x, cell = resize(features[item.source], size), self.cells[cell_key(item)]
            results.append(self._cell(x, item, cell, weights))
        total: Tensor = torch.stack(results).sum(0) if len(results) > 1 else results[0]
        return total

    def _cell(
        self, x: Tensor, item: Edge, cell: torch.nn.Module, weights: dict[str, Tensor]
    ) -> Tensor:
        if item.target.key in weights:
            shares, chosen = weights[item.target.key], self._chosen[item.target.key]
            operators = cast(OperatorCell, cell).operators.values()
            results = [
                share * operator(x)
                for share, operator, live in zip(shares, operators, chosen, strict=True)
                if live
            ]
            return torch.stack(results).sum(0)
        result: Tensor = cell(x)
        return result * weights[item.key] if item.key in weights else result


def live_graph(coding: Coding) -> Graph:
    """Return the edges of a path, of connections or of an architecture."""
    if isinstance(coding, PathCoding):
        return Graph(len(coding.scales), core_edges(coding.scales))
    assert isinstance(coding, ConnectionCoding | ArchitectureCoding)
    return coding.graph
