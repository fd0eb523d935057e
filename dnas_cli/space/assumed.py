"""Assumed codings in place of those that are not decoded yet, to estimate later stages.

They cost a little more than the published architectures.
"""

from dnas_cli.space.coding import ArchitectureCoding, ConnectionCoding, PathCoding
from dnas_cli.space.lattice import Graph, prune
from dnas_cli.space.operators import KEPT_OPERATORS
from dnas_cli.space.spaces import connection_space, core_edges

_DEAREST = ("conv3x3", "conv3x3_dil3", "conv3x3_dil12")
assert len(_DEAREST) == KEPT_OPERATORS


def assumed_path(layers: int) -> PathCoding:
    """Return the path along scale 1, the average of the published paths."""
    return PathCoding(tuple(min(layer, 1) for layer in range(layers)))


def assumed_connections(path: PathCoding) -> ConnectionCoding:
    """Return the core edges and every second other edge below a path, as fresh logits would."""
    core = core_edges(path.scales)
    others = [item for item in connection_space(path.scales).edges if item not in core]
    return ConnectionCoding(prune(Graph(len(path.scales), (*core, *others[::2]))))


def assumed_architecture(connections: ConnectionCoding) -> ArchitectureCoding:
    """Return the connections with the three operators of most arithmetic at every node."""
    graph = connections.graph
    return ArchitectureCoding(graph, (_DEAREST,) * len(graph.nodes))
