"""The cost of a network, counted over its graph without data (method, section 7).

Two conventions, each named for what it counts, at batch 1:

- *multiply-accumulates*: of convolutions, plus one per output for a bias. This is what ptflops
  counts with its `aten` backend; PyTorch's own counter gives twice that, without the biases.
- *layer operations*, which the published table calls GFLOPs: multiply-accumulates as above, plus 2
  per element of batch normalisation and 1 per element of ReLU and pooling. This is what ptflops
  counts with its `pytorch` backend over layers (`count_functional=False`). The published "memory"
  is the summed size of the float32 outputs of all layers, dropout included, in MiB.

Resizes, sums over cells and the mean of global pooling are not layers and do not count.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn

from dnas_cli.nets.network import (
    Network,
    NetworkShape,
    build_derived,
    build_head,
    build_stem,
    cell_key,
)
from dnas_cli.nets.operators import GlobalAveragePool, OperatorCell
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Edge, Node, scale_sizes

Size = tuple[int, int]

_BYTES = 4  # of a float32
_PER_ELEMENT: dict[type[nn.Module], int] = {
    nn.Conv2d: 0,
    nn.BatchNorm2d: 2,
    nn.ReLU: 1,
    nn.AvgPool2d: 1,
    nn.MaxPool2d: 1,
    nn.Dropout: 0,
}
"""Layer operations per output element, in addition to multiply-accumulates, by layer."""


@dataclass(frozen=True)
class CostCount:
    """The cost of one forward pass over one tile.

    Attributes:
        multiply_accumulates: Of convolutions, with bias.
        layer_operations: By the convention of the published table.
        layer_output_bytes: Float32 outputs of all layers, summed.
        parameters: Number of weights, without architecture logits.
    """

    multiply_accumulates: int = 0
    layer_operations: int = 0
    layer_output_bytes: int = 0
    parameters: int = 0

    def __add__(self, other: "CostCount") -> "CostCount":
        return CostCount(
            self.multiply_accumulates + other.multiply_accumulates,
            self.layer_operations + other.layer_operations,
            self.layer_output_bytes + other.layer_output_bytes,
            self.parameters + other.parameters,
        )

    def to_json(self) -> dict[str, int]:
        """Return the counts as plain data."""
        return asdict(self)


def count_cost(network: Network, height: int, width: int) -> CostCount:
    """Count one forward pass of a network over an image of the given size."""
    shape, graph = network.shape, network.graph
    total, size = _count(network.stem, shape.bands, (height, width))
    sizes = scale_sizes(*size)
    for item in graph.edges:
        cell = network.cells[cell_key(item)]
        total += _count_cell(cell, shape.channels(item.source), sizes[item.target.scale])
    outputs = sum(shape.channels(node) for node in graph.outputs)
    head, _ = _count(network.head, outputs, sizes[graph.outputs[0].scale])
    return total + head


def count_cells(
    cells: Mapping[Edge, tuple[str, ...]], shape: NetworkShape, height: int, width: int
) -> CostCount:
    """Count cells that a network leaves out, such as those that reach no output.

    Args:
        cells: Operators by connection.
        shape: The network's shape.
    """
    with torch.device("meta"):  # shapes without memory
        stem = build_stem(shape)
        built = {
            item: OperatorCell(shape.channels(item.source), shape.channels(item.target), names)
            for item, names in cells.items()
        }
    _, size = _count(stem, shape.bands, (height, width))
    sizes, total = scale_sizes(*size), CostCount()
    for item, cell in built.items():
        total += _count_cell(cell, shape.channels(item.source), sizes[item.target.scale])
    return total


def count_ends(outputs: Sequence[Node], shape: NetworkShape, height: int, width: int) -> CostCount:
    """Count the stem and the head of a network.

    Args:
        outputs: The nodes of the last layer, finest first.
        shape: The network's shape.
    """
    channels = sum(shape.channels(node) for node in outputs)
    with torch.device("meta"):
        stem, head = build_stem(shape), build_head(channels, shape)
    total, size = _count(stem, shape.bands, (height, width))
    return total + _count(head, channels, scale_sizes(*size)[outputs[0].scale])[0]


def count_coding(
    coding: ArchitectureCoding, shape: NetworkShape, height: int, width: int
) -> CostCount:
    """Count the network of a coding, without allocating its weights."""
    with torch.device("meta"):
        network = build_derived(coding, shape)
    return count_cost(network, height, width)


def count_nodes(
    coding: ArchitectureCoding, shape: NetworkShape, height: int, width: int
) -> dict[str, int]:
    """Return the multiply-accumulates of the cells of each node, by the node's key."""
    operators = dict(zip(coding.graph.nodes, coding.operators, strict=True))
    return {
        node.key: count_cells(
            dict.fromkeys(coding.graph.incoming(node), operators[node]), shape, height, width
        ).multiply_accumulates
        for node in coding.graph.nodes
    }


def _count_cell(cell: nn.Module, channels: int, size: Size) -> CostCount:
    operators = list(cell.operators.values()) if isinstance(cell, OperatorCell) else [cell]
    total = CostCount()
    for operator in operators:
        pooled = isinstance(operator, GlobalAveragePool)  # its layers see one pixel
        count, _ = _count(operator, channels, (1, 1) if pooled else size)
        total += count
    return total


def _count(module: nn.Module, channels: int, size: Size) -> tuple[CostCount, Size]:
    """Count consecutive layers, and return the output size."""
    total = CostCount()
    for layer in module.modules():
        if any(True for _ in layer.children()):
            continue
        multiply_accumulates = 0
        if isinstance(layer, nn.Conv2d):
            size, channels = _convolved(layer, size), layer.out_channels
            per_output = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
            per_output += layer.bias is not None
            multiply_accumulates = per_output * channels * math.prod(size)
        elements = channels * math.prod(size)
        total += CostCount(
            multiply_accumulates,
            multiply_accumulates + _PER_ELEMENT[type(layer)] * elements,
            _BYTES * elements,
            sum(parameter.numel() for parameter in layer.parameters()),
        )
    return total, size


def _convolved(layer: nn.Conv2d, size: Size) -> Size:
    height, width = (
        (size[k] + 2 * int(layer.padding[k]) - layer.dilation[k] * (layer.kernel_size[k] - 1) - 1)
        // layer.stride[k]
        + 1
        for k in (0, 1)
    )
    return height, width
