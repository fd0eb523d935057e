"""The harness: medians of alternating runs, ratios to the first, and facts about the machine."""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.network import Network, NetworkShape, build_derived, build_supernet
from dnas_cli.nets.step_estimate import SavedBytes
from dnas_cli.space.coding import (
    ArchitectureCoding,
    ConnectionCoding,
    PathCoding,
    first_space,
    second_space,
    third_space,
)

CODINGS = Path(__file__).parent / "codings"
SHAPE = NetworkShape(width=40, bands=4, classes=5)


def published(name: str) -> ArchitectureCoding:
    """Return a published architecture: `L12` or `L14`."""
    return ArchitectureCoding.read(CODINGS / f"{name}.json")


def networks(name: str) -> dict[str, Network]:
    """Return the four networks along the way to a published architecture."""
    return {stage: build() for stage, build in builders(name).items()}


def builders(name: str) -> dict[str, Callable[[], Network]]:
    """Return what builds the four networks along the way to a published architecture.

    The path is that of the coarsest node of each layer.
    """
    coding = published(name)
    graph = coding.graph
    path = tuple(
        max(node.scale for node in graph.nodes if node.layer == layer)
        for layer in range(graph.layers)
    )
    return {
        "stage 1": lambda: build_supernet(first_space(graph.layers), SHAPE),
        "stage 2": lambda: build_supernet(second_space(PathCoding(path)), SHAPE),
        "stage 3": lambda: build_supernet(third_space(ConnectionCoding(graph)), SHAPE),
        "retrain": lambda: build_derived(coding, SHAPE),
    }


def randomise(network: nn.Module) -> None:
    """Give every normalisation statistics and parameters as training might leave them."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)


def in_turn(timers: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds that timers tell, in turn, so that a busy machine is busy for all.

    The first turn warms up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for turn in range(repeats + 1):
        for name, timer in timers.items():
            elapsed = timer()
            if turn:
                seconds[name].append(elapsed)
    return seconds


@contextmanager
def programs(
    prepare: Callable[..., Callable[[], object]], ways: dict[str, tuple[Any, ...]]
) -> Iterator[dict[str, Callable[[], float]]]:
    """Give every way a process of its own, as a program is, and return their timers.

    Args:
        prepare: Makes what is to be timed, in that process, of a way's arguments.
        ways: Name to arguments.
    """
    with ExitStack() as processes:
        timers: dict[str, Callable[[], float]] = {}
        for name, arguments in ways.items():
            process = processes.enter_context(
                ProcessPoolExecutor(
                    1, get_context("spawn"), initializer=_begin, initargs=(prepare, arguments)
                )
            )
            timers[name] = partial(_timed_there, process)
        yield timers


_step: Callable[[], object]  # what this process is there to run


def _begin(prepare: Callable[..., Callable[[], object]], arguments: tuple[Any, ...]) -> None:
    global _step
    _step = prepare(*arguments)


def _timed_here() -> float:
    return timed(_step)


def _timed_there(process: ProcessPoolExecutor) -> float:
    return process.submit(_timed_here).result()


def timed(function: Callable[[], object]) -> float:
    """Run a function twice and return the seconds of the second: in use, tile follows tile."""
    function()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def summary(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return median, fastest, and how many times faster than the first, per function.

    The ratio is the median of the ratios within each turn.
    """
    first = next(iter(seconds.values()))
    return {
        name: {
            "median_s": statistics.median(values),
            "fastest_s": min(values),
            "times_faster": statistics.median(a / b for a, b in zip(first, values, strict=True)),
        }
        for name, values in seconds.items()
    }


def saved_bytes(network: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Return how many bytes a forward pass saves for the backward pass, parameters left out."""
    saved = SavedBytes(network)
    with saved.counted():
        forward()
    return saved.total


def machine() -> dict[str, Any]:
    """Return what a reader must know to compare: processor, threads, versions, load, arithmetic."""
    resolve_device("cpu")  # with what commands set up
    left = torch.randn(2048, 2048)
    fastest = min(timed(lambda: left @ left) for _ in range(7))
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "matrix_product_gmac_per_s": round(2.048**3 / fastest, 1),
    }


def report(result: dict[str, Any]) -> None:
    """Print a result as JSON."""
    json.dump(result, sys.stdout, indent=2)
    print()


def note(text: str) -> None:
    """Say on stderr what is going on."""
    print(text, file=sys.stderr, flush=True)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
