"""Forward and backward passes that a GPU repeats by itself, as CUDA graphs.

A step of a network of this family is hundreds of small kernels, and a GPU computes them faster than
Python asks for them. The first steps run as usual; then a pass is recorded, and each later step
copies its batch into the recorded one and replays it. The kernels are those of the usual way.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from dnas_cli.training.batches import Batch

_USUAL = 2  # steps before a recording, in which libraries and the optimizer reserve what they keep


@dataclass
class _Recorded:
    graph: torch.cuda.CUDAGraph
    batch: Batch
    loss: Tensor
    gradients: list[tuple[nn.Parameter, Tensor]]


class GraphedPass:
    """Computes losses and gradients, from the third step of a kind on by replaying a recording.

    Recordings share their memory: a step's intermediate results are gone when another kind of step
    runs.
    """

    def __init__(self) -> None:
        self._recorded: dict[Hashable, _Recorded] = {}
        self._taken: Counter[Hashable] = Counter()
        self._constants: Hashable = None

    def __call__(
        self,
        parameters: Iterable[nn.Parameter],
        batch: Batch,
        compute: Callable[[Batch], Tensor],
        kind: str,
        constants: Hashable,
    ) -> Tensor:
        """Set the gradients of the parameters and return the loss.

        Args:
            parameters: Those that require gradients.
            batch: On any device; its shape is part of the kind.
            compute: Runs the forward and the backward pass, and returns the loss.
            kind: What a step is of.
            constants: What a recording holds as it was: when it changes, all are made again.
        """
        if constants != self._constants:
            self._forget(constants)
        key = (kind, *(part.shape for part in batch))
        if key not in self._recorded:
            self._taken[key] += 1
            if self._taken[key] <= _USUAL:
                _clear(parameters)
                return compute(batch)
            self._recorded[key] = self._record(parameters, batch, compute)
        found = self._recorded[key]
        for kept, part in zip(found.batch, batch, strict=True):
            kept.copy_(part, non_blocking=True)
        found.graph.replay()
        for parameter, gradient in found.gradients:
            parameter.grad = gradient
        return found.loss.clone()

    def _record(
        self,
        parameters: Iterable[nn.Parameter],
        batch: Batch,
        compute: Callable[[Batch], Tensor],
    ) -> _Recorded:
        parameters = list(parameters)
        _clear(parameters)
        device = parameters[0].device
        kept = cast(Batch, tuple(part.to(device, copy=True) for part in batch))
        graph = torch.cuda.CUDAGraph()
        pool = next((found.graph.pool() for found in self._recorded.values()), None)
        # Other threads may pin batches meanwhile.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            loss = compute(kept)
        gradients = [(item, item.grad) for item in parameters if item.grad is not None]
        return _Recorded(graph, kept, loss, gradients)

    def _forget(self, constants: Hashable) -> None:
        for found in self._recorded.values():
            _clear(parameter for parameter, _ in found.gradients)
        self._recorded.clear()
        self._constants = constants


def _clear(parameters: Iterable[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None
