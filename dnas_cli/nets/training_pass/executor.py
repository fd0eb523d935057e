"""How training executes a network: fast, or in little memory."""

from collections.abc import Callable

from torch import Tensor

from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.fast_network import FastTraining


def executor(network: Network, mode: ExecutionMode) -> Callable[[Tensor], Tensor]:
    """Return the function that training calls in place of the network.

    All modes give the same logits, gradients and running statistics up to rounding, on the
    network's own parameters; in evaluation mode they are the network itself.

    Args:
        network: The plain network.
        mode: `plain` runs it as defined, edge by edge. `fast` shares resizes and keeps only the
            results of convolutions for the backward pass. `low` keeps only the feature maps of
            nodes, and computes everything else twice.
    """
    if mode == "plain":
        return network
    return FastTraining(network, keep=mode == "fast")
