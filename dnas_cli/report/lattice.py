"""The lattice as a drawing: layers from left to right, scales from fine to coarse downwards."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from dnas_cli.report.drawing import Box, Disc, Drawing, Line, Point, Text
from dnas_cli.space.lattice import SCALES, STEM, Edge, Graph, Node

_STEP_X, _STEP_Y = 64.0, 62.0
_LEFT, _BOTTOM, _RIGHT = 74.0, 40.0, 26.0
_HEADING = 54.0  # height of the heading and the stem's name
_RADIUS = 9.0
_THINNEST, _WIDEST = 0.4, 6.0
_BEND = 9.0  # of a connection over two layers


@dataclass(frozen=True)
class LatticeLook:
    """What is shown on a lattice beside its nodes and edges.

    Attributes:
        shares: Likelihood of each edge, from 0 to 1, by its key; edges are that wide.
        chosen: Keys of the edges that are decoded; drawn in another colour.
        titles: What is shown when the pointer is over a node, by the node's key.
        weights: Share of the arithmetic in each node, by its key; nodes are that large.
        decided: How decided the logits of a node are, from 0 to 1, by its key; nodes fill up.
        heading: A line above the lattice.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    chosen: Collection[str] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    decided: Mapping[str, float] = field(default_factory=dict)
    heading: str = ""


def draw_lattice(graph: Graph, look: LatticeLook | None = None) -> Drawing:
    """Draw nodes and edges of a space or coding.

    Args:
        graph: Nodes and edges.
        look: Widths, colours and titles.
    """
    look = look or LatticeLook()
    top = _HEADING + max([0.0, *(-_bend(item) for item in graph.edges if item.source.scale == 0)])
    width = _LEFT + (graph.layers - 1) * _STEP_X + _RIGHT
    height = top + (SCALES - 1) * _STEP_Y + _BOTTOM
    drawing = Drawing(width, height, look.heading or f"lattice of {graph.layers} layers")
    if look.heading:
        drawing.add(Text((8, 18), look.heading, 12, bold=True))
    for scale in range(SCALES):
        y = _place(Node(0, scale), top)[1]
        drawing.add(
            Box((_LEFT - 16, y - 0.5), (width - _LEFT, 1), "faint"),
            Text((8, y + 4), f"1/{2 ** (scale + 2)}", 10, "muted"),
        )
    for layer in range(graph.layers):
        place = (_place(Node(layer, 0), top)[0], height - 12)
        drawing.add(Text(place, str(layer), 10, "muted", "middle"))
    for item in graph.edges:
        drawing.add(_edge(item, look, top))
    x, y = _place(STEM, top)
    drawing.add(Disc((x, y), 5, "ink", "ink", title="stem"))
    drawing.add(Text((x, y + 18), "stem", 10, "muted", "middle"))
    for node in graph.nodes:
        drawing.add(_node(node, look, top))
        if node.key in look.decided:
            drawing.add(_filling(node, look, top))
    return drawing


def edge_width(share: float) -> float:
    """Return how wide an edge of a likelihood is drawn, in pixels."""
    return _THINNEST + (_WIDEST - _THINNEST) * share


def _edge(item: Edge, look: LatticeLook, top: float) -> Line:
    share = look.shares.get(item.key)
    chosen = item.key in look.chosen
    return Line(
        _course(item, top),
        "second" if chosen else "accent",
        edge_width(share) if share is not None else 1.4,
        1.0 if chosen or not look.chosen else 0.45,
        curved=True,
        key=item.key,
        title=item.key if share is None else f"{item.key}: {100 * share:.0f} %",
    )


def _node(node: Node, look: LatticeLook, top: float) -> Disc:
    share = look.weights.get(node.key)
    radius = _RADIUS if share is None else 4 + 14 * share**0.5
    return Disc(
        _place(node, top),
        radius,
        "paper" if share is None else "accent",
        "ink",
        key=node.key,
        title=look.titles.get(node.key, f"node {node.key}"),
    )


def filling_radius(decided: float) -> float:
    """Return how far a node is filled that is so decided, in pixels."""
    return (_RADIUS - 1.5) * math.sqrt(decided)


def _filling(node: Node, look: LatticeLook, top: float) -> Disc:
    return Disc(
        _place(node, top),
        filling_radius(look.decided[node.key]),
        "accent",
        "accent",
        0,
        key=f"filling {node.key}",
        title=look.titles.get(node.key, ""),
    )


def _course(item: Edge, top: float) -> tuple[Point, ...]:
    """Return the control points of an edge; one over several layers bends out of their way."""
    (x0, y0), (x1, y1) = _place(item.source, top), _place(item.target, top)
    reach, bend = 0.45 * (x1 - x0), 4 / 3 * _bend(item)  # a curve reaches 3/4 of its controls
    return ((x0, y0), (x0 + reach, y0 + bend), (x1 - reach, y1 + bend), (x1, y1))


def _bend(item: Edge) -> float:
    """Return how far an edge leaves the straight way, in pixels, upwards if negative."""
    span = item.target.layer - item.source.layer - 1
    upwards = item.source.scale <= item.target.scale
    return (-1.0 if upwards else 1.0) * _BEND * math.pow(span, 0.8)


def _place(node: Node, top: float) -> Point:
    if node == STEM:
        return (_LEFT - 34, top)
    return (_LEFT + node.layer * _STEP_X, top + node.scale * _STEP_Y)
