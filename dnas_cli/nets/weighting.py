"""From architecture logits to the weights of a supernet's edges or operators.

Logits are held per edge or per node and operator, in the order of the graph; there is no padded
slot that could be trained and never read.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from dnas_cli.space.lattice import Edge, Graph, Node
from dnas_cli.space.operators import OPERATORS

INITIAL_DEVIATION = 1e-3  # logits start at N(0, 1e-3) (method, section 6)


class Weighting(nn.Module, ABC):
    """Holds the architecture logits of a supernet and turns them into weights.

    Calling it returns the weights by the key of their edge or node.
    """

    logits: nn.Parameter

    @abstractmethod
    def forward(self) -> dict[str, Tensor]:
        """Return the weights by key."""


class _EdgeWeighting(Weighting):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.logits = nn.Parameter(INITIAL_DEVIATION * torch.randn(len(graph.edges)))
        self.slices: dict[Node, slice] = {}
        start = 0
        for node in graph.nodes:  # edges are sorted by target: a node's logits are contiguous
            stop = start + len(graph.incoming(node))
            self.slices[node] = slice(start, stop)
            start = stop


class PathWeighting(_EdgeWeighting):
    """Stage 1: `softmax(beta) * n / n_max` over a node's `n` incoming edges (section 2)."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.largest = max(len(graph.incoming(node)) for node in graph.nodes)

    def forward(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}
        for node, part in self.slices.items():
            incoming = self.graph.incoming(node)
            shares = torch.softmax(self.logits[part], 0) * (len(incoming) / self.largest)
            weights.update(zip((item.key for item in incoming), shares.unbind(), strict=True))
        return weights


class ConnectionWeighting(_EdgeWeighting):
    """Stage 2: softmax over all incoming edges; core edges weigh 1 all the same (section 3)."""

    def __init__(self, graph: Graph, core: tuple[Edge, ...]) -> None:
        super().__init__(graph)
        self.core = {item.key for item in core}

    def forward(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}
        for node, part in self.slices.items():
            shares = torch.softmax(self.logits[part], 0).unbind()
            for item, share in zip(self.graph.incoming(node), shares, strict=True):
                if item.key not in self.core:
                    weights[item.key] = share
        return weights


class OperatorWeighting(Weighting):
    """Stage 3: softmax over a node's ten operators, shared by its incoming edges (section 4)."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.logits = nn.Parameter(
            INITIAL_DEVIATION * torch.randn(len(graph.nodes), len(OPERATORS))
        )

    def forward(self) -> dict[str, Tensor]:
        shares = torch.softmax(self.logits, 1)  # (nodes, operators)
        return {node.key: shares[k] for k, node in enumerate(self.graph.nodes)}
