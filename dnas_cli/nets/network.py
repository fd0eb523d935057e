"""The network: one class for the three supernets and the derived network.

They share the lattice, the stem and the head. They differ in what a cell holds and in how edges or
operators are weighted; see the `build_*` functions below.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.nets.operators import ConvCell, OperatorCell
from dnas_cli.nets.weighting import ConnectionWeighting, OperatorWeighting, PathWeighting, Weighting
from dnas_cli.space.coding import ArchitectureCoding, SearchSpace
from dnas_cli.space.lattice import STEM, Edge, Graph, Node, scale_sizes
from dnas_cli.space.operators import OPERATORS

HEAD_CHANNELS = 256
"""Of the head in the paper, at every width."""


@dataclass(frozen=True)
class NetworkShape:
    """The sizes that a coding leaves open.

    Attributes:
        width: Channels of scale 0 (`W`; 40 in the paper). Scale `j` has `W * 2^j`.
        dropout: Dropout probabilities in the head.
        head: Channels of the head's two 3x3 convolutions.
    """

    width: int
    bands: int
    classes: int
    dropout: tuple[float, float] = (0.5, 0.1)
    head: int = HEAD_CHANNELS

    def __post_init__(self) -> None:
        if self.width < 2 or self.width % 2:
            raise ValueError(f"the width must be even and at least 2, not {self.width}")
        if self.bands < 1 or self.classes < 1:
            raise ValueError("a network needs at least one band and one class")
        if self.head < 1:
            raise ValueError(f"the head needs at least one channel, not {self.head}")

    def channels(self, node: Node) -> int:
        """Return the number of channels of a node's feature."""
        return self.width << node.scale

    def to_json(self) -> dict[str, Any]:
        """Return the shape as plain data."""
        return asdict(self)


class Network(nn.Module):
    """A network over a pruned graph (method, sections 1 and 5).

    Attributes:
        graph: Nodes and edges; no dead cell is built.
        shape: Width, bands, classes, dropout, head.
        weighting: How the cells of a supernet are weighted; None in a derived network.
    """

    def __init__(
        self,
        graph: Graph,
        shape: NetworkShape,
        make_cell: Callable[[Edge, int, int], nn.Module],
        weighting: Weighting | None = None,
    ) -> None:
        super().__init__()
        self.graph = graph
        self.shape = shape
        self.stem = build_stem(shape)
        self.cells = nn.ModuleDict(
            {
                cell_key(item): make_cell(
                    item, shape.channels(item.source), shape.channels(item.target)
                )
                for item in graph.edges
            }
        )
        self.head = build_head(sum(shape.channels(node) for node in graph.outputs), shape)
        self.weighting = weighting
        _initialise_cells(self.cells)

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, B, H, W) to logits (N, classes, H, W), at any size."""
        stem = self.stem(image)  # (N, W, H/4, W/4), rounded up
        sizes = scale_sizes(*stem.shape[-2:])
        weights = None if self.weighting is None else self.weighting()
        features = {STEM: stem}
        for node in self.graph.nodes:
            features[node] = self._node(node, features, sizes[node.scale], weights)
        return self._classify(features, (image.shape[-2], image.shape[-1]))

    def _node(
        self,
        node: Node,
        features: dict[Node, Tensor],
        size: tuple[int, int],
        weights: dict[str, Tensor] | None,
    ) -> Tensor:
        """Sum the cells into a node; each resizes its input to the node's resolution first."""
        total: Tensor | None = None
        for item in self.graph.incoming(node):
            x = resize(features[item.source], size)
            cell = self.cells[cell_key(item)]
            if weights is not None and node.key in weights:  # operator weights
                result = cell(x, weights[node.key])
            elif weights is not None and item.key in weights:  # edge weight
                result = cell(x) * weights[item.key]
            else:
                result = cell(x)
            total = result if total is None else total + result
        assert total is not None
        return total

    def _classify(self, features: dict[Node, Tensor], size: tuple[int, int]) -> Tensor:
        outputs = [features[node] for node in self.graph.outputs]
        finest = (outputs[0].shape[-2], outputs[0].shape[-1])
        logits = self.head(torch.cat([resize(output, finest) for output in outputs], 1))
        return resize(logits, size)

    def weights(self) -> list[nn.Parameter]:
        """Return the ordinary parameters, without the architecture logits."""
        logits = self.architecture_logits()
        return [parameter for parameter in self.parameters() if parameter is not logits]

    def architecture_logits(self) -> nn.Parameter | None:
        """Return the architecture logits of a supernet; None in a derived network."""
        return None if self.weighting is None else self.weighting.logits


def build_supernet(space: SearchSpace, shape: NetworkShape) -> Network:
    """Build the supernet of a stage.

    Stages 1 and 2 hold a conv3x3 cell per edge and weight edges; stage 3 holds all operators per
    edge and weights operators, per node.
    """
    if space.stage == 3:
        return Network(
            space.graph,
            shape,
            lambda _, c_in, c_out: OperatorCell(c_in, c_out, OPERATORS),
            OperatorWeighting(space.graph),
        )
    weighting: Weighting = (
        PathWeighting(space.graph)
        if space.stage == 1
        else ConnectionWeighting(space.graph, space.core)
    )
    return Network(space.graph, shape, lambda _, c_in, c_out: ConvCell(c_in, c_out), weighting)


def build_derived(coding: ArchitectureCoding, shape: NetworkShape) -> Network:
    """Build the network that an architecture coding describes, with fresh weights (section 5)."""
    operators = dict(zip(coding.graph.nodes, coding.operators, strict=True))
    return Network(
        coding.graph,
        shape,
        lambda item, c_in, c_out: OperatorCell(c_in, c_out, operators[item.target]),
    )


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize bilinearly with aligned corners, unless the size is right already."""
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


def cell_key(item: Edge) -> str:
    """Return the name of an edge's cell among the modules, e.g. `2_0_to_3_1`."""
    source = "stem" if item.source == STEM else f"{item.source.layer}_{item.source.scale}"
    return f"{source}_to_{item.target.layer}_{item.target.scale}"


def build_stem(shape: NetworkShape) -> nn.Sequential:
    """Build the stem, which brings an image to a quarter of its size."""
    half = shape.width // 2
    steps = [(shape.bands, half, 2), (half, half, 1), (half, shape.width, 2)]
    return nn.Sequential(
        *(
            nn.Sequential(
                nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1),
                nn.BatchNorm2d(c_out),
                nn.ReLU(),
            )
            for c_in, c_out, stride in steps
        )
    )


def build_head(c_in: int, shape: NetworkShape) -> nn.Sequential:
    """Build the head. It has no ReLU: at inference it is one linear map."""
    (first, second), hidden = shape.dropout, shape.head
    return nn.Sequential(
        nn.Conv2d(c_in, hidden, 3, padding=1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.Dropout(first),
        nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.Dropout(second),
        nn.Conv2d(hidden, shape.classes, 1),
    )


def _initialise_cells(cells: nn.Module) -> None:
    for module in cells.modules():
        # Without memory nothing needs drawing, and torch would load its compiler for it (0.7 s).
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight)
