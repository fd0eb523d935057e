"""An estimate of memory and arithmetic of a training step, without computing it."""

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.executor import executor

_FLOAT = 4  # bytes


@dataclass(frozen=True)
class StepEstimate:
    """Memory and arithmetic of a step of the weights.

    Attributes:
        parameters: Number of parameters, architecture logits included.
        optimizer_bytes: Of gradients, of the copies that the optimizer and an average of the
            weights keep, and of Adam's two moments of the logits.
        activation_bytes: Saved by the forward pass for the backward pass, which needs working
            memory on top.
        multiply_accumulates: Of convolutions: the plain forward pass, twice that for the backward
            pass, and at most once more if results are computed twice.
    """

    parameters: int
    parameter_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    multiply_accumulates: int

    @property
    def total_bytes(self) -> int:
        """Parameters, optimizer and activations together."""
        return self.parameter_bytes + self.optimizer_bytes + self.activation_bytes

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as plain data."""
        return {**asdict(self), "total_bytes": self.total_bytes}


def estimate_step(
    network: Network, mode: ExecutionMode, batch: int, size: int, copies: int = 1
) -> StepEstimate:
    """Estimate a step of the weights, by running it on tensors that have shapes and no values.

    Args:
        network: The plain network, on any device or on `meta`; it is not changed.
        mode: The execution mode.
        batch: Tiles per step.
        copies: Numbers kept per weight besides the weight and its gradient; momentum is one.
    """
    shapes = _without_values(network).train()
    logits = shapes.architecture_logits()
    for parameter in shapes.parameters():
        parameter.requires_grad_(parameter is not logits)
    run = executor(shapes, mode)
    image = torch.empty(batch, shapes.shape.bands, size, size, device="meta")
    saved = SavedBytes(shapes)
    with saved.counted():
        run(image)
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        shapes.eval()(image)
    forward = flops.get_total_flops() // 2
    count = sum(parameter.numel() for parameter in shapes.parameters())
    of_logits = 0 if logits is None else logits.numel()
    return StepEstimate(
        parameters=count,
        parameter_bytes=count * _FLOAT,
        optimizer_bytes=((1 + copies) * (count - of_logits) + 3 * of_logits) * _FLOAT,
        activation_bytes=saved.total,
        multiply_accumulates=forward * (4 if mode == "low" else 3),
    )


def _without_values(network: Network) -> Network:
    """Return a copy whose tensors have no memory, so that large networks are never there twice."""
    empty: dict[int, Any] = {}
    for parameter in network.parameters():
        blank = torch.empty_like(parameter, device="meta")
        empty[id(parameter)] = nn.Parameter(blank, parameter.requires_grad)
    for buffer in network.buffers():
        empty[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(network, empty)


class SavedBytes:
    """Counts the memory that forward passes save for the backward pass, every storage once.

    Args:
        network: Its parameters and buffers do not count.
    """

    def __init__(self, network: nn.Module) -> None:
        own = (*network.parameters(), *network.buffers())
        self._own = {tensor.untyped_storage()._cdata for tensor in own}
        self._found: dict[int, int] = {}
        self._alive: list[torch.UntypedStorage] = []

    @property
    def total(self) -> int:
        """Bytes so far."""
        return sum(self._found.values())

    def counted(self) -> torch.autograd.graph.saved_tensors_hooks:
        """Return the context within which saved tensors are counted."""
        return torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack)

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        place = storage._cdata
        if place not in self._own and place not in self._found:
            self._found[place] = storage.nbytes()
            self._alive.append(storage)  # or another storage might get its address
        return tensor.detach()  # an operation that saves its own result would keep itself alive


def _unpack(tensor: Tensor) -> Tensor:
    return tensor
