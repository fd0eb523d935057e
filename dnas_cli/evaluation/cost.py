"""What a network costs: multiply-accumulates, parameters, activation memory, time (section 7)."""

import copy
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dnas_cli.errors import DnasError

_WARM_UP, _TIMED = 2, 7  # forward passes
_BYTES = 4  # of a float32


@dataclass(frozen=True)
class Cost:
    """The cost of one forward pass over one tile.

    Attributes:
        bands: Bands of the tile.
        height: Rows of the tile.
        width: Columns of the tile.
        multiply_accumulates: As ptflops counts over layers: convolutions with bias, 2 per element
            of batch normalisation, 1 of ReLU and pooling; functional resizes not counted.
        parameters: Number of weights.
        activation_bytes: Summed size of all layers' float32 outputs.
        milliseconds: Median time on `device`.
        device: Where the time was taken.
    """

    bands: int
    height: int
    width: int
    multiply_accumulates: int
    parameters: int
    activation_bytes: int
    milliseconds: float
    device: str

    def to_json(self) -> dict[str, Any]:
        """Return the cost as plain data."""
        return asdict(self)


def measure_cost(
    network: nn.Module, bands: int, height: int, width: int, device: torch.device
) -> Cost:
    """Count and time one forward pass at batch 1.

    The network is left as it is: counting works on a copy.

    Raises:
        DnasError: The network cannot be run on a tile of this size.
    """
    counted = copy.deepcopy(network).eval()
    tile = torch.zeros(1, bands, height, width, device=device)
    return Cost(
        bands=bands,
        height=height,
        width=width,
        multiply_accumulates=_multiply_accumulates(counted, (bands, height, width)),
        parameters=sum(parameter.numel() for parameter in counted.parameters()),
        activation_bytes=_activation_bytes(counted, tile),
        milliseconds=_milliseconds(counted, tile),
        device=_device_name(device),
    )


def _multiply_accumulates(network: nn.Module, shape: tuple[int, int, int]) -> int:
    from ptflops import get_model_complexity_info

    with torch.inference_mode():
        # Counting functional calls too would count every ReLU and pooling layer twice.
        count, _ = get_model_complexity_info(
            network,
            shape,
            as_strings=False,
            print_per_layer_stat=False,
            backend="pytorch",
            backend_specific_config={"count_functional": False},
        )
    if count is None:
        raise DnasError(f"The multiply-accumulates of a {shape} tile cannot be counted.")
    return int(count)


def _activation_bytes(network: nn.Module, tile: Tensor) -> int:
    elements = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal elements
        if isinstance(output, Tensor):
            elements += output.numel()

    layers = [module for module in network.modules() if not any(True for _ in module.children())]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.inference_mode():
            network(tile)
    finally:
        for hook in hooks:
            hook.remove()
    return elements * _BYTES


def _milliseconds(network: nn.Module, tile: Tensor) -> float:
    times = []
    with torch.inference_mode():
        for number in range(_WARM_UP + _TIMED):
            start = time.perf_counter()
            network(tile)
            _finish(tile.device)  # the call returns before an accelerator is done
            if number >= _WARM_UP:
                times.append(time.perf_counter() - start)
    return 1000.0 * statistics.median(times)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    return f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)
