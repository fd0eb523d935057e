"""From architecture logits to the weights of a supernet's edges or operators.

Logits are held per edge or per node and operator, in the order of the graph; no padded slot can be
trained and never read.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from dnas_cli.space.lattice import Edge, Graph, Node
from dnas_cli.space.operators import OPERATORS

INITIAL_DEVIATION = 1e-3  # initial logits are N(0, 1e-3) (method, section 6)


class Weighting(nn.Module, ABC):
    """Holds the architecture logits of a supernet and turns them into weights.

    Calling it returns the weights by the key of their edge or node.

    Attributes:
        logits: The architecture logits.
        temperature: What the logits are divided by before the softmax; below 1 weights come nearer
            to a decision than the logits by themselves.
    """

    logits: nn.Parameter
    temperature: float = 1.0

    @property
    def effective_logits(self) -> Tensor:
        """The logits as the softmax sees them."""
        return self.logits / self.temperature

    @abstractmethod
    def groups(self) -> list[Tensor]:
        """Return the effective logits that compete with each other, one vector per node."""

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

    def groups(self) -> list[Tensor]:
        """Return the effective logits of each node's incoming edges."""
        logits = self.effective_logits
        return [logits[part] for part in self.slices.values()]


class PathWeighting(_EdgeWeighting):
    """Stage 1: `softmax(beta) * n / n_max` over a node's `n` incoming edges (section 2)."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.largest = max(len(graph.incoming(node)) for node in graph.nodes)

    def forward(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}
        for node, group in zip(self.slices, self.groups(), strict=True):
            incoming = self.graph.incoming(node)
            shares = torch.softmax(group, 0) * (len(incoming) / self.largest)
            weights.update(zip((item.key for item in incoming), shares.unbind(), strict=True))
        return weights


class ConnectionWeighting(_EdgeWeighting):
    """Stage 2: softmax over all incoming edges; core edges still weigh 1 (section 3)."""

    def __init__(self, graph: Graph, core: tuple[Edge, ...]) -> None:
        super().__init__(graph)
        self.core = {item.key for item in core}

    def forward(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}
        for node, group in zip(self.slices, self.groups(), strict=True):
            shares = torch.softmax(group, 0).unbind()
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

    def groups(self) -> list[Tensor]:
        """Return the effective logits of each node's operators."""
        return list(self.effective_logits)

    def forward(self) -> dict[str, Tensor]:
        shares = torch.softmax(self.effective_logits, 1)  # (nodes, operators)
        return {node.key: shares[k] for k, node in enumerate(self.graph.nodes)}
