"""An estimate of memory and arithmetic of a training step, without computing it."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dnas_cli.nets.cost import count_cost
from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.executor import executor

_FLOAT = 4  # bytes
_SMALL = 2**14  # pixels of a batch: computing such a step is quicker than loading what torch needs
# to go without values, which takes it seconds


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

    A small step is computed, on copies, without a draw from the random generators.

    Args:
        network: The plain network, on any device or on `meta`; it is not changed.
        mode: The execution mode.
        batch: Tiles per step.
        copies: Numbers kept per weight besides the weight and its gradient; momentum is one.
    """
    device = torch.device("cpu" if batch * size**2 <= _SMALL else "meta")
    with torch.random.fork_rng(devices=[]):
        return _estimate(_on(device, network).train(), mode, batch, size, copies)


def _estimate(
    shapes: Network, mode: ExecutionMode, batch: int, size: int, copies: int
) -> StepEstimate:
    logits = shapes.architecture_logits()
    for parameter in shapes.parameters():
        parameter.requires_grad_(parameter is not logits)
    run = executor(shapes, mode)
    device = next(shapes.parameters()).device
    image = torch.zeros(batch, shapes.shape.bands, size, size, device=device)
    saved = SavedBytes(shapes)
    blank = _BlankNormalization() if device.type == "meta" else nullcontext()  # type: ignore[no-untyped-call]
    with blank, saved.counted():
        run(image)
    forward = batch * count_cost(shapes, size, size).multiply_accumulates
    count = sum(parameter.numel() for parameter in shapes.parameters())
    of_logits = 0 if logits is None else logits.numel()
    return StepEstimate(
        parameters=count,
        parameter_bytes=count * _FLOAT,
        optimizer_bytes=((1 + copies) * (count - of_logits) + 3 * of_logits) * _FLOAT,
        activation_bytes=saved.total,
        multiply_accumulates=forward * (4 if mode == "low" else 3),
    )


def _on(device: torch.device, network: Network) -> Network:
    """Return a blank copy on a device; on `meta` it has no memory, however large it is."""
    blank: dict[int, Any] = {}
    for parameter in network.parameters():
        empty = torch.zeros_like(parameter, device=device)
        blank[id(parameter)] = nn.Parameter(empty, parameter.requires_grad)
    for buffer in network.buffers():
        blank[id(buffer)] = torch.zeros_like(buffer, device=device)
    return copy.deepcopy(network, blank)


class _BlankNormalization(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Batch normalization of tensors without values gives results at once.

    PyTorch takes it apart into twenty operations, which is two thirds of the work of an estimate.
    """

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.ops.aten.native_batch_norm.default:
            features, training = args[0], args[5]
            mean = features.new_empty(features.shape[1] if training else 0)
            return torch.empty_like(features), mean, torch.empty_like(mean)
        return func(*args, **(kwargs or {}))


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
