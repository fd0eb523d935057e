"""The names of the first release's checkpoints, translated to the names of our modules.

A state dict of the first release is a flat mapping; `place` builds ours from it, key by key, and
accounts for every tensor (method, section 8).
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from dnas_cli.errors import DataError
from dnas_cli.nets.network import Network, cell_key
from dnas_cli.nets.operators import OperatorCell
from dnas_cli.nets.weighting import OperatorWeighting
from dnas_cli.space.lattice import Edge, Graph, Node

_CELL = re.compile(r"cells\.(\d+)\.(\d+)\.\[\s*(-?\d+)\s+(\d+)\]\.(.+)")
_STEM = re.compile(r"stem([0-2])\.(.+)")
_PREFIXES = {
    "sep_conv_3x3": "op.sep_0.",
    "sep_conv_5x5": "op.sep_0.",
    "sep_conv_7x7": "op.sep_0.",
    "avg_pool_3x3": "conv1x1.",
    "max_pool_3x3": "conv1x1.",
    "global_average_pool": "conv1x1.",
}


def place(network: Network, state: Mapping[str, Tensor], name: str) -> list[str]:
    """Load a state dict of the first release into a network, every tensor by its key.

    Args:
        network: Takes the tensors.
        state: The first release's state dict.
        name: Where it came from, for errors.

    Returns:
        The keys of dead cells, which were left out.

    Raises:
        DataError: A tensor is missing, left over or of another shape; the message lists the keys.
    """
    ours = network.state_dict()
    found: dict[str, Tensor] = {}
    dead: list[str] = []
    left_over: list[str] = []
    for key, tensor in state.items():
        edge = cell_edge(key)
        if edge is not None and edge not in network.graph.edges:
            dead.append(key)
        elif key in ("betas", "alphas"):
            found["weighting.logits"] = _logits(network, tensor, name)
        elif (own := _own_key(key, network)) in ours:
            found[own] = tensor
        else:
            left_over.append(key)
    missing = [key for key in ours if key not in found and not key.endswith("num_batches_tracked")]
    wrong = [
        f"{key} {tuple(tensor.shape)} instead of {tuple(ours[key].shape)}"
        for key, tensor in found.items()
        if tensor.shape != ours[key].shape
    ]
    _complain(name, missing, left_over, wrong)
    network.load_state_dict({**ours, **found})
    return dead


def cell_edge(key: str) -> Edge | None:
    """Return the edge whose cell a key of the first release belongs to; None for other keys."""
    match = _CELL.fullmatch(key)
    if match is None:
        return None
    layer, scale, source_layer, source_scale = (int(match[k]) for k in range(1, 5))
    return Edge(Node(layer, scale), Node(source_layer, source_scale))


def _own_key(key: str, network: Network) -> str:
    if match := _STEM.fullmatch(key):
        return f"stem.{match[1]}.{match[2]}"
    if key.startswith("last_conv."):
        return "head." + key.removeprefix("last_conv.")
    edge, match = cell_edge(key), _CELL.fullmatch(key)
    if edge is None or match is None:
        return ""
    cell, rest = network.cells[cell_key(edge)], match[5]
    if not isinstance(cell, OperatorCell):  # ReLU, conv, BN: `op.1` and `op.2`
        return f"cells.{cell_key(edge)}.{rest.removeprefix('op.')}"
    _, operator, rest = rest.split(".", 2)  # `_ops.<name or position>.<rest>`
    if operator.isdigit():
        names = list(cell.operators)
        operator = names[int(operator)] if int(operator) < len(names) else ""
    rest = rest.removeprefix(_PREFIXES.get(operator, ""))
    if operator == "global_average_pool":
        rest = f"project.{rest}"
    return f"cells.{cell_key(edge)}.operators.{operator}.{rest}"


def _logits(network: Network, padded: Tensor, name: str) -> Tensor:
    """Pick the logits of living edges or nodes out of the first release's padded array.

    For node (i, j), slot k belongs to the k-th edge into it.
    """
    if network.weighting is None:
        raise DataError(f"{name}: holds architecture logits; a derived network has none.")
    graph = network.graph
    expected = 10 if isinstance(network.weighting, OperatorWeighting) else _largest(graph)
    shape, wanted = tuple(padded.shape), (graph.layers, 4, expected)
    if shape != wanted:
        raise DataError(f"{name}: logits of shape {shape} instead of {wanted}.")
    if isinstance(network.weighting, OperatorWeighting):
        return torch.stack([padded[node.layer, node.scale] for node in graph.nodes])
    return torch.cat(
        [padded[node.layer, node.scale, : len(graph.incoming(node))] for node in graph.nodes]
    )


def _largest(graph: Graph) -> int:
    return max(len(graph.incoming(node)) for node in graph.nodes)


def _complain(name: str, missing: list[str], left_over: list[str], wrong: list[str]) -> None:
    parts = [
        f"{title}: {', '.join(keys[:8])}{f' and {len(keys) - 8} more' if len(keys) > 8 else ''}"
        for title, keys in (
            ("missing", missing),
            ("left over", left_over),
            ("of another shape", wrong),
        )
        if keys
    ]
    if parts:
        raise DataError(
            f"{name}: does not fit the network ({'; '.join(parts)}).",
            "Check that the codings and the checkpoint belong together.",
        )
