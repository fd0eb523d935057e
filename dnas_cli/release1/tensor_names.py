"""The names of the first release's checkpoints, translated to the names of our modules.

A state dict of the first release is a flat mapping; `load_release1_state` builds ours from it, key
by key, and accounts for every tensor (method, section 8). `shape_of` and `checkpoint_graph` derive
the network's shape and graph from it.
"""

import re
from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from dnas_cli.errors import DataError
from dnas_cli.nets.network import Network, NetworkShape, cell_key
from dnas_cli.nets.operators import OperatorCell
from dnas_cli.nets.weighting import OperatorWeighting
from dnas_cli.space.lattice import SCALES, Edge, Graph, Node
from dnas_cli.space.operators import OPERATORS

LOGITS = ("betas", "alphas")
"""Keys of the architecture logits: of stages 1 and 2, and of stage 3."""

_CELL = re.compile(r"cells\.(\d{1,4})\.(\d{1,4})\.\[\s*(-?\d{1,4})\s+(\d{1,4})\s*\]\.(.+)")
_PREFIXES = {
    "sep_conv_3x3": "op.sep_0.",
    "sep_conv_5x5": "op.sep_0.",
    "sep_conv_7x7": "op.sep_0.",
    "avg_pool_3x3": "conv1x1.",
    "max_pool_3x3": "conv1x1.",
    "global_average_pool": "conv1x1.",
}
_WIDEST = 1024  # channels, bands, classes; larger claims are refused
_LISTED = 6  # keys in a message, of each kind
_OUR_LOGITS = "weighting.logits"


def load_release1_state(
    network: Network, state: Mapping[str, Tensor], name: str, dead: Collection[Edge] = ()
) -> list[str]:
    """Load a state dict of the first release into a network, every tensor by its key.

    Args:
        network: Receives the tensors.
        state: The first release's state dict.
        dead: Dead connections, which the network leaves out; their cells may be in the state dict.

    Returns:
        The keys of dead cells, which were left out.

    Raises:
        DataError: A tensor is missing, unexpected or of another shape; the message lists the keys.
    """
    found, left_out = renamed_state(network, state, name, dead)
    network.load_state_dict({**network.state_dict(), **found})
    return left_out


def renamed_state(
    network: Network, state: Mapping[str, Tensor], name: str, dead: Collection[Edge] = ()
) -> tuple[dict[str, Tensor], list[str]]:
    """Return a state dict of the first release under our keys, and the keys of dead cells.

    See `load_release1_state`; only the shapes of the network's own tensors are used.
    """
    ours = network.state_dict()
    theirs = release1_keys(network)
    by_their_key = {_canonical(key): own for own, key in theirs.items()}
    found: dict[str, Tensor] = {}
    left_out: list[str] = []
    left_over: list[str] = []
    for key, tensor in state.items():
        own = by_their_key.get(_canonical(key))
        if cell_edge(key) in dead:
            left_out.append(key)
        elif key in LOGITS:
            found[_OUR_LOGITS] = _logits(network, key, state, name)
        elif own is not None and own not in found:
            found[own] = tensor
        else:
            left_over.append(key)
    missing = [
        theirs.get(own, "betas or alphas")
        for own in ours
        if own not in found and not own.endswith("num_batches_tracked")
    ]
    wrong = [
        f"{theirs[own]} {tuple(tensor.shape)} instead of {tuple(ours[own].shape)}"
        for own, tensor in found.items()
        if tensor.shape != ours[own].shape
    ]
    _complain(name, missing, left_over, wrong)
    return found, left_out


def release1_keys(network: Network) -> dict[str, str]:
    """Return the first release's key of every tensor of a network except logits, by our key."""
    edges = {cell_key(item): item for item in network.graph.edges}
    keys: dict[str, str] = {}
    for own in network.state_dict():
        part, rest = own.split(".", 1)
        if part == "stem":
            keys[own] = f"stem{rest}"
        elif part == "head":
            keys[own] = f"last_conv.{rest}"
        elif part == "cells":
            cell, rest = rest.split(".", 1)
            keys[own] = _cell_key(edges[cell], network, rest)
    return keys


def shape_of(state: Mapping[str, Tensor], name: str) -> NetworkShape:
    """Read width, bands, classes and the head's channels off the stem and the head.

    Raises:
        DataError: The state dict has no such stem and head.
    """
    keys = ("stem0.0.weight", "stem2.0.weight", "last_conv.6.weight")
    missing = [key for key in keys if key not in state]
    if missing:
        raise DataError(
            f"{name}: is not a network of the first release (missing: {', '.join(missing)})."
        )
    stem, width, head = (state[key] for key in keys)
    if not (stem.ndim == width.ndim == head.ndim == 4):
        raise DataError(f"{name}: its stem and head are not convolutions.")
    sizes = (width.shape[0], stem.shape[1], head.shape[0], head.shape[1])
    if max(sizes) > _WIDEST:
        raise DataError(f"{name}: claims the implausible sizes {sizes}.")
    try:
        return NetworkShape(*sizes[:3], head=sizes[3])
    except ValueError as error:
        raise DataError(f"{name}: is not a network of the first release ({error}).") from error


def edges_of(state: Mapping[str, Tensor]) -> tuple[Edge, ...]:
    """Return the connections whose cells a state dict holds, in the order of the file.

    That is the order of the connections of the network, target by target.
    """
    edges = (cell_edge(key) for key in state)
    return tuple(dict.fromkeys(item for item in edges if item is not None))


def cell_edge(key: str) -> Edge | None:
    """Return the edge whose cell a key of the first release belongs to; None for other keys."""
    match = _CELL.fullmatch(key)
    if match is None:
        return None
    layer, scale, source_layer, source_scale = (int(match[k]) for k in range(1, 5))
    return Edge(Node(layer, scale), Node(source_layer, source_scale))


def _cell_key(item: Edge, network: Network, rest: str) -> str:
    target, source = item.target, np.array([item.source.layer, item.source.scale])
    prefix = f"cells.{target.layer}.{target.scale}.{source}"  # numpy's print of the pair
    cell = network.cells[cell_key(item)]
    if not isinstance(cell, OperatorCell):  # ReLU, conv, BN: `op.1` and `op.2`
        return f"{prefix}.op.{rest}"
    _, operator, rest = rest.split(".", 2)  # `operators.<name>.<rest>`
    supernet = isinstance(network.weighting, OperatorWeighting)
    slot = operator if supernet else list(cell.operators).index(operator)
    return f"{prefix}._ops.{slot}.{_PREFIXES.get(operator, '')}{rest.removeprefix('project.')}"


def _canonical(key: str) -> str:
    """Return a key without the blanks of numpy's print."""
    match = _CELL.fullmatch(key)
    if match is None:
        return key
    layer, scale, source_layer, source_scale, rest = match.groups()
    return f"cells.{layer}.{scale}.[{source_layer} {source_scale}].{rest}"


def _logits(network: Network, key: str, state: Mapping[str, Tensor], name: str) -> Tensor:
    """Select the logits of live edges or nodes from the first release's padded array.

    For node (i, j), slot k belongs to the k-th edge into it, in the order of the connections.
    """
    graph, padded = network.graph, state[key]
    if network.weighting is None:
        raise DataError(
            f"{name}: holds architecture logits ({key}): it is a search, not a derived network.",
            "Import it into a run: dnas import CHECKPOINT --run RUN --data TILES",
        )
    of_operators = isinstance(network.weighting, OperatorWeighting)
    if of_operators != (key == "alphas"):
        raise DataError(f"{name}: holds `{key}`, which belong to another stage.")
    slots = _slots(state)
    size = len(OPERATORS) if of_operators else max(map(len, slots.values()), default=0)
    wanted = (graph.layers, SCALES, size)
    if tuple(padded.shape) != wanted:
        raise DataError(f"{name}: logits of shape {tuple(padded.shape)} instead of {wanted}.")
    if not bool(torch.isfinite(padded).all()):
        raise DataError(f"{name}: holds logits that are not finite numbers.")
    if of_operators:
        return torch.stack([padded[node.layer, node.scale] for node in graph.nodes])
    try:
        return torch.stack(
            [
                padded[item.target.layer, item.target.scale, slots[item.target].index(item)]
                for item in graph.edges
            ]
        )
    except (KeyError, ValueError) as error:
        raise DataError(f"{name}: has no logit for a connection of the network.") from error


def _slots(state: Mapping[str, Tensor]) -> dict[Node, list[Edge]]:
    slots: dict[Node, list[Edge]] = {}
    for item in edges_of(state):
        slots.setdefault(item.target, []).append(item)
    return slots


def checkpoint_graph(state: Mapping[str, Tensor], layers: int, name: str) -> Graph:
    """Return the graph of a state dict's cells.

    Raises:
        DataError: It has no cells, or some that are not on the lattice.
    """
    edges = edges_of(state)
    if not edges:
        raise DataError(f"{name}: is not a network of the first release (it holds no cells).")
    try:
        return Graph(layers, edges)
    except ValueError as error:
        raise DataError(f"{name}: is not a network of the first release ({error}).") from error


def _complain(name: str, missing: list[str], left_over: list[str], wrong: list[str]) -> None:
    parts = [
        f"{title} ({len(keys)}): {_listed(keys)}"
        for title, keys in (
            ("missing", missing),
            ("unexpected", left_over),
            ("of another shape", wrong),
        )
        if keys
    ]
    if parts:
        raise DataError(
            f"{name}: does not fit the network.",
            "Check that the codings and the checkpoint belong together.",
            parts,
        )


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return ", ".join(keys[:_LISTED]) + more
