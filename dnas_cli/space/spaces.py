"""The three search spaces as graphs (method, sections 2 to 4)."""

from dnas_cli.space.lattice import MAX_LAYERS, SCALES, STEM, Edge, Graph, Node


def path_space(layers: int) -> Graph:
    """Return the path-level space: every step to a neighbouring scale (section 2).

    With L = 5 there are 26 edges: stem -> (0,0), 2, 5, 8 and 10.
    """
    edges = [Edge(Node(0, 0), STEM)]
    for layer in range(1, layers):
        for source in range(min(layer - 1, SCALES - 1) + 1):
            for target in range(min(layer, SCALES - 1) + 1):
                if abs(source - target) <= 1:
                    edges.append(Edge(Node(layer, target), Node(layer - 1, source)))
    return Graph(layers, tuple(edges))


def check_path(scales: tuple[int, ...]) -> None:
    """Check that a path fits a lattice, starts at scale 0 and moves by at most one scale per layer.

    Raises:
        ValueError: The path is invalid.
    """
    if not scales or scales[0] != 0:
        raise ValueError("a path starts at scale 0")
    if len(scales) > MAX_LAYERS:
        raise ValueError(f"a path has {MAX_LAYERS} layers at most, not {len(scales)}")
    for layer in range(1, len(scales)):
        if not 0 <= scales[layer] < SCALES or abs(scales[layer] - scales[layer - 1]) > 1:
            raise ValueError(f"the path jumps at layer {layer}: {list(scales)}")


def core_edges(path: tuple[int, ...]) -> tuple[Edge, ...]:
    """Return the edges along the path, stem first; they have weight 1 and are always kept."""
    nodes = [STEM, *(Node(layer, scale) for layer, scale in enumerate(path))]
    return tuple(Edge(nodes[k + 1], nodes[k]) for k in range(len(path)))


def connection_space(path: tuple[int, ...]) -> Graph:
    """Return the connection-level space below a path (section 3).

    The core node of a layer has edges from the stem and from every earlier node at or above the
    path; an auxiliary node has edges from the neighbouring scales of the previous layer.
    """
    check_path(path)
    edges: list[Edge] = []
    for layer, core in enumerate(path):
        earlier = [Node(k, scale) for k in range(layer) for scale in range(path[k] + 1)]
        edges.extend(Edge(Node(layer, core), source) for source in [STEM, *earlier])
        for scale in range(core):
            edges.extend(
                Edge(Node(layer, scale), Node(layer - 1, near))
                for near in (scale - 1, scale, scale + 1)
                if 0 <= near <= path[layer - 1]
            )
    return Graph(len(path), tuple(edges))
