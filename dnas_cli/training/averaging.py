"""The moving average of a network's weights over the last steps of its training.

The steps of stochastic gradient descent move around a minimum, which makes the difference between a
good and a bad epoch on new scenes. The average of the weights is closer to the minimum (Izmailov et
al. 2018, arXiv:1803.05407). Running statistics of batch normalisation belong to the weights of one
step; for the average they are measured on training tiles.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dnas_cli.nets.network import Network

DECAY = 0.999  # the factor on a step's weight at every later step


def moving_average(network: Network) -> AveragedModel:
    """Return the average of a network's weights, to be updated after every step."""

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], _: Tensor | int) -> None:
        # The count that is handed over is on the device, and reading it would wait for that.
        steps = int(average.n_averaged)
        # Otherwise the first, random weights would count too much after few steps.
        decay = min(DECAY, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(averaged), list(current), 1 - decay)

    average = AveragedModel(network, multi_avg_fn=update)
    return average


@torch.no_grad()
def measure_statistics(network: Network, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of batch normalisation to their means over batches.

    Args:
        network: Is left in evaluation mode; its weights do not change.
        batches: (N, B, H, W) each, normalised, on the network's device.
    """
    network.eval()  # without dropout, as in evaluation
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # every batch counts the same
        norm.train()
    try:
        for batch in batches:
            network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
