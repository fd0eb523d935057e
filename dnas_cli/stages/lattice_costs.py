"""What edges, operators and ends of a network cost, in multiply-accumulates for one tile."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from dnas_cli.nets.cost import count_cells, count_ends
from dnas_cli.nets.cost_table import CostTable
from dnas_cli.nets.network import NetworkShape
from dnas_cli.space.coding import SearchSpace
from dnas_cli.space.expected_cost import (
    expected_connections_cost,
    expected_path_cost,
    operator_chances,
)
from dnas_cli.space.lattice import Edge, Node
from dnas_cli.space.logits import Logits, logit_groups
from dnas_cli.space.operators import OPERATORS


@dataclass(frozen=True)
class LatticeCosts(CostTable):
    """The costs of the parts of a network.

    Attributes:
        shape: Of the network that will be retrained.
    """

    shape: NetworkShape
    size: int

    def ends(self, outputs: tuple[Node, ...]) -> int:
        """Return the cost of the stem, and of a head over these nodes."""
        return _ends(self.shape, self.size, tuple(node.scale for node in outputs))

    def operators(self, item: Edge) -> tuple[int, ...]:
        """Return the cost of each operator on an edge."""
        return _operators(self.shape, self.size, item.source.scale, item.target.scale)

    def expected(self, space: SearchSpace, logits: Logits, outputs: Sequence[Node]) -> float:
        """Return the mean cost of what is drawn by logits.

        Args:
            space: The stage's space.
            logits: One per key of `logit_keys(space)`.
            outputs: Nodes of the last layer that the head is counted over in stages 2 and 3.
        """
        graph = space.graph
        if space.stage == 3:
            cells = sum(
                chance * cost
                for node, group in zip(graph.nodes, logit_groups(space, logits), strict=True)
                for chance, cost in zip(
                    operator_chances(group), self.of_node(graph, node), strict=True
                )
            )
            return cells + self.ends(tuple(outputs))
        by_edge = {item: logits[item.key] for item in graph.edges}
        costs = {item: self.likely(item) for item in graph.edges}
        if space.stage == 1:
            ends = {node: self.ends((node,)) for node in graph.outputs}
            return expected_path_cost(graph, by_edge, costs, ends)
        return expected_connections_cost(space.path, by_edge, costs) + self.ends(tuple(outputs))


@cache
def _operators(shape: NetworkShape, size: int, source: int, target: int) -> tuple[int, ...]:
    item = Edge(Node(1, target), Node(0, source))
    return tuple(
        count_cells({item: (name,)}, shape, size, size).multiply_accumulates for name in OPERATORS
    )


@cache
def _ends(shape: NetworkShape, size: int, scales: tuple[int, ...]) -> int:
    nodes = [Node(0, scale) for scale in scales]
    return count_ends(nodes, shape, size, size).multiply_accumulates
