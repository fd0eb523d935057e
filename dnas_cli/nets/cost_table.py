"""What the parts of a network cost, so that costs of whole networks are sums."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dnas_cli.space.coding import ArchitectureCoding, Coding, ConnectionCoding, PathCoding
from dnas_cli.space.lattice import STEM, Edge, Graph, Node
from dnas_cli.space.operators import KEPT_OPERATORS, OPERATORS


class CostTable(ABC):
    """Costs for one tile, as whole numbers of one unit: multiply-accumulates, or nanoseconds.

    Before operators are searched, an edge costs what three operators cost on average.
    """

    @abstractmethod
    def operators(self, item: Edge) -> Sequence[int]:
        """Return the cost of each operator on an edge."""

    @abstractmethod
    def ends(self, outputs: tuple[Node, ...]) -> int:
        """Return the cost of the stem, and of a head over these nodes."""

    def likely(self, item: Edge) -> int:
        """Return the cost of an edge whose operators are not known."""
        return round(KEPT_OPERATORS * sum(self.operators(item)) / len(OPERATORS))

    def of_node(self, graph: Graph, node: Node) -> list[int]:
        """Return the cost of each operator over all edges into a node."""
        own = [self.operators(item) for item in graph.incoming(node)]
        return [sum(costs) for costs in zip(*own, strict=True)]

    def of_coding(self, coding: Coding) -> int:
        """Return the cost of what a stage decodes to."""
        if isinstance(coding, PathCoding):
            nodes = [STEM, *(Node(layer, scale) for layer, scale in enumerate(coding.scales))]
            edges = map(Edge, nodes[1:], nodes[:-1])
            return sum(map(self.likely, edges)) + self.ends((nodes[-1],))
        assert isinstance(coding, ConnectionCoding | ArchitectureCoding)
        graph = coding.graph
        if isinstance(coding, ConnectionCoding):
            return sum(map(self.likely, graph.edges)) + self.ends(graph.outputs)
        cells = 0
        for node, names in zip(graph.nodes, coding.operators, strict=True):
            costs = dict(zip(OPERATORS, self.of_node(graph, node), strict=True))
            cells += sum(costs[name] for name in names)
        return cells + self.ends(graph.outputs)
