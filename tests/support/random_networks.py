"""Small networks of every kind, drawn at random, for tests of rewrites."""

import random

import torch
from torch import nn

from dnas_cli.nets.network import Network, NetworkShape, build_derived, build_supernet
from dnas_cli.space.coding import (
    ArchitectureCoding,
    ConnectionCoding,
    PathCoding,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.space.lattice import Graph, prune
from dnas_cli.space.operators import OPERATORS

KINDS = ("stage 1", "stage 2", "stage 3", "derived")


def random_network(kind: str, seed: int, layers: int = 5, width: int = 4) -> Network:
    """Build a network in float64 whose normalisations and logits are far from their start.

    Dropout is off, so that training mode draws no random numbers.
    """
    draw = random.Random(f"{kind} {seed}")
    torch.manual_seed(seed)
    shape = NetworkShape(width, bands=draw.choice([1, 3, 4]), classes=draw.choice([2, 5]))
    head = 24 if seed % 2 else 40
    shape = NetworkShape(shape.width, shape.bands, shape.classes, (0.0, 0.0), head)
    network = _build(kind, draw, layers, shape).double()
    randomise(network)
    return network


def randomise(network: nn.Module) -> None:
    """Give normalisations and logits values as training might leave them."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.3, 2)
                module.weight.normal_(0.7, 0.5)  # some are negative
                module.bias.normal_(0, 0.3)
        logits = network.architecture_logits() if isinstance(network, Network) else None
        if logits is not None:
            logits.normal_(0, 1)


def _build(kind: str, draw: random.Random, layers: int, shape: NetworkShape) -> Network:
    if kind == "stage 1":
        return build_supernet(first_space(layers), shape)
    path = [0]
    while len(path) < layers:
        path.append(min(3, max(0, path[-1] + draw.choice([-1, 0, 1, 1]))))
    space = second_space(PathCoding(tuple(path)))
    if kind == "stage 2":
        return build_supernet(space, shape)
    kept = [e for e in space.graph.edges if e in space.core or draw.random() < 0.4]
    graph = prune(Graph(layers, tuple(kept)))
    if kind == "stage 3":
        return build_supernet(third_space(ConnectionCoding(graph)), shape)
    operators = []
    for _ in graph.nodes:
        chosen = draw.sample(OPERATORS, draw.choice([1, 2, 3, 3, 3, 10]))
        operators.append(tuple(name for name in OPERATORS if name in chosen))
    return build_derived(ArchitectureCoding(graph, tuple(operators)), shape)
