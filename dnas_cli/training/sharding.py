"""A training step in shards: the same bits on any number of processes.

The batch is cut in equal shards. Each has its own forward pass, batch statistics and gradients.
These are gathered and then added in the order of the shards, so that a sum does not depend on which
process computed its terms; running statistics are updated shard by shard. The loss of a step is the
mean of the shards' losses.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dnas_cli.nets.network import Network
from dnas_cli.training.ranks import Ranks


class Sharding:
    """Computes the gradients of a batch from those of its shards.

    Args:
        network: In training mode.
        shards: How many shards a batch has, over all processes.
        ranks: The processes; each computes every `ranks.count`-th shard.
        device: Of the network.
    """

    def __init__(self, network: Network, shards: int, ranks: Ranks, device: torch.device) -> None:
        self._norms = [item for item in network.modules() if isinstance(item, nn.BatchNorm2d)]
        self._statistics = [
            cast(Tensor, part)
            for norm in self._norms
            for part in (norm.running_mean, norm.running_var)
        ]
        self._counters = [cast(Tensor, norm.num_batches_tracked) for norm in self._norms]
        self._shards, self._ranks, self._device = shards, ranks, device

    def gradients(self, optimizer: Optimizer, compute: Callable[[int], Tensor]) -> Tensor:
        """Set the gradients of an optimizer's parameters, and update running statistics.

        Args:
            optimizer: Its parameters get the mean of the shards' gradients.
            compute: Runs the forward and the backward pass of the shard at a position among this
                process's own, and returns its loss.

        Returns:
            The mean of all shards' losses.

        Raises:
            LostRankError: Another process ended.
        """
        # One draw per step, the same in all processes: what dropout draws depends on the shard.
        seed = int(torch.randint(1 << 62, ()))
        momentum, running = cast(float, self._norms[0].momentum), _flat(self._statistics)
        own, rows = self._ranks.own(self._shards), []
        parameters: list[Tensor] = []
        for position, shard in enumerate(own):
            optimizer.zero_grad(set_to_none=True)
            # With momentum 1, running statistics become those of the shard.
            with self._drawing_from(seed + shard), _momentum(self._norms, 1.0):
                loss = compute(position)
            parameters = [
                item
                for group in optimizer.param_groups
                for item in group["params"]
                if item.grad is not None
            ]
            gradients = [cast(Tensor, item.grad) for item in parameters]
            rows.append(torch.cat([loss.reshape(1), _flat(self._statistics), _flat(gradients)]))
        found = self._ranks.gather(torch.stack(rows), self._shards)
        torch._foreach_add_(self._counters, self._shards - len(own))
        start = 1 + len(running)
        for row in found:
            running.mul_(1 - momentum).add_(row[1:start], alpha=momentum)
        _write(self._statistics, running)
        mean = found[0].clone()
        for row in found[1:]:
            mean.add_(row)
        mean.div_(self._shards)
        _write([cast(Tensor, item.grad) for item in parameters], mean[start:])
        return mean[0]

    @contextmanager
    def _drawing_from(self, seed: int) -> Iterator[None]:
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield


@contextmanager
def _momentum(norms: Sequence[nn.BatchNorm2d], value: float) -> Iterator[None]:
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = value
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([item.detach().reshape(-1) for item in tensors])


@torch.no_grad()
def _write(tensors: Sequence[Tensor], values: Tensor) -> None:
    """Copy a flat vector back into the tensors it was made of."""
    parts = torch.split(values, [item.numel() for item in tensors])
    shaped = [part.view(item.shape) for part, item in zip(parts, tensors, strict=True)]
    torch._foreach_copy_(list(tensors), shaped)
