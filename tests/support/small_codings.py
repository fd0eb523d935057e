"""Codings of a network of three layers, each made from the one before."""

from dnas_cli.space.coding import ArchitectureCoding, ConnectionCoding, PathCoding, second_space

PATH = PathCoding((0, 1, 1))
CONNECTIONS = ConnectionCoding(second_space(PATH).graph)
ARCHITECTURE = ArchitectureCoding(
    CONNECTIONS.graph, tuple(("conv1x1", "conv3x3") for _ in CONNECTIONS.graph.nodes)
)
