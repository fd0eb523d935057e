"""The moving average of a network's weights over the last steps of its training.

Steps of stochastic gradient descent end beside what they descend to, now on one side and now on the
other, and on scenes that nobody trained on this is the difference between a good epoch and a bad
one. The average of the weights lies between (Izmailov et al. 2018, arXiv:1803.05407). The running
statistics of batch normalisation belong to the weights of one moment; for the average they are
measured on training tiles.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from dnas_cli.nets.network import Network

DECAY = 0.999  # of the weight of a step with every step after it


def moving_average(network: Network) -> AveragedModel:
    """Return the average of a network's weights, to be updated after every step."""
    return AveragedModel(network, multi_avg_fn=_update)


def _update(averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
    # After few steps less of what was first, random weights, is left so.
    decay = min(DECAY, (1 + int(steps)) / (10 + int(steps)))
    for mean, value in zip(averaged, current, strict=True):
        mean.lerp_(value, 1 - decay)


@torch.no_grad()
def measure_statistics(network: Network, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of batch normalisation to their means over batches.

    Args:
        network: Is left in evaluation mode; its weights stay.
        batches: (N, B, H, W) each, normalised, on the network's device.
    """
    network.eval()  # of dropout, too: what is measured is what evaluation sees
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
