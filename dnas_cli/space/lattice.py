"""The lattice: nodes, edges, and the directed acyclic graphs made of them (method, section 1).

A node `(layer, scale)` works at `1/2^(scale+2)` of the input's resolution with `width * 2^scale`
channels. Everything here is plain data and can be checked on paper.
"""

from dataclasses import dataclass
from functools import cached_property

SCALES = 4
MAX_LAYERS = 64


@dataclass(frozen=True, order=True)
class Node:
    """A position on the lattice. The stem is `(-1, 0)`."""

    layer: int
    scale: int

    @property
    def key(self) -> str:
        """The node as text, e.g. `3,1`."""
        return f"{self.layer},{self.scale}"


STEM = Node(-1, 0)


@dataclass(frozen=True, order=True)
class Edge:
    """A connection that carries a cell from an earlier node to a later one.

    Edges sort by target, then source: the order in which a network adds its cells.
    """

    target: Node
    source: Node

    @property
    def key(self) -> str:
        """The edge as text, source first, e.g. `2,0>3,1`."""
        return f"{self.source.key}>{self.target.key}"


def edge(source: tuple[int, int], target: tuple[int, int]) -> Edge:
    """Build an edge from two (layer, scale) pairs: source, target."""
    return Edge(Node(*target), Node(*source))


@dataclass(frozen=True)
class Graph:
    """A set of edges over the lattice with a given number of layers.

    Attributes:
        layers: Number of layers; nodes of layer `layers - 1` are the outputs.
        edges: In any order; held sorted, each once.

    Raises:
        ValueError: An edge leaves the lattice or does not go to a later layer.
    """

    layers: int
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.layers <= MAX_LAYERS:
            raise ValueError(f"a lattice has 1 to {MAX_LAYERS} layers, not {self.layers}")
        if list(self.edges) != sorted(set(self.edges)):
            object.__setattr__(self, "edges", tuple(sorted(set(self.edges))))
        for item in self.edges:
            _check_edge(item, self.layers)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that have an incoming edge, in the order of computation."""
        return tuple(sorted({item.target for item in self.edges}))

    @cached_property
    def _incoming(self) -> dict[Node, tuple[Edge, ...]]:
        incoming: dict[Node, list[Edge]] = {}
        for item in self.edges:
            incoming.setdefault(item.target, []).append(item)
        return {node: tuple(items) for node, items in incoming.items()}

    def incoming(self, node: Node) -> tuple[Edge, ...]:
        """Return the edges into `node`, by source."""
        return self._incoming.get(node, ())

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The nodes of the last layer, finest first."""
        return tuple(node for node in self.nodes if node.layer == self.layers - 1)


def _check_edge(item: Edge, layers: int) -> None:
    source, target = item.source, item.target
    if source != STEM and not (source.layer >= 0 and 0 <= source.scale < SCALES):
        raise ValueError(f"edge {item.key}: the source is not on the lattice")
    if not (0 <= target.layer < layers and 0 <= target.scale < SCALES):
        raise ValueError(f"edge {item.key}: the target is not on the lattice of {layers} layers")
    if source.layer >= target.layer:
        raise ValueError(f"edge {item.key}: does not go to a later layer")


def prune(graph: Graph) -> Graph:
    """Drop every edge that carries nothing from the stem or nothing to an output.

    A node without live input does not exist, nor does any node that only it feeds or that reaches
    no output (method, section 1).
    """
    fed = {STEM}
    for item in graph.edges:  # sorted by target layer: sources are decided before
        if item.source in fed:
            fed.add(item.target)
    needed = {node for node in graph.outputs if node in fed}
    for item in reversed(graph.edges):
        if item.target in needed and item.source in fed:
            needed.add(item.source)
    alive = fed & (needed | {STEM})
    return Graph(
        graph.layers,
        tuple(item for item in graph.edges if item.source in alive and item.target in alive),
    )


def scale_sizes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return the (height, width) of each scale for a stem of the given size, finest first.

    A dimension `d` becomes `d/2` when even and `(d-1)/2 + 1` when odd: 75 -> 38 -> 19 -> 10.
    """
    sizes = [(height, width)]
    for _ in range(SCALES - 1):
        height, width = (height + 1) // 2, (width + 1) // 2
        sizes.append((height, width))
    return tuple(sizes)
