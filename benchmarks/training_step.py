"""Times training steps and counts what they save, plain against fast against low memory.

    python benchmarks/training_step.py [--repeats 3] [--size 256] [--coding L14] [--stages ...]

A step is a forward pass at batch 2, cross-entropy and the backward pass; `logits` is the step of a
search in which only the architecture logits learn. Prints JSON.
"""

import argparse
import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from measuring import alternate, machine, networks, note, report, saved_bytes, summary
from torch import Tensor

from dnas_cli.nets.execution import Memory, executor
from dnas_cli.nets.network import Network

MEMORIES: tuple[Memory, ...] = ("plain", "fast", "low")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--coding", default="L14")
    parser.add_argument("--stages", nargs="+", default=["stage 1", "stage 2", "stage 3", "retrain"])
    parser.add_argument("--large", type=int, default=512, help="size at which stage 3 is counted")
    options = parser.parse_args()
    torch.manual_seed(0)
    result: dict[str, Any] = {"machine": machine(), "coding": options.coding, "steps": {}}
    for stage, network in networks(options.coding).items():
        if stage in options.stages:
            result["steps"].update(_measure(stage, network, options.size, options.repeats))
    if "stage 3" in options.stages:
        note(f"stage 3 at {options.large} px: bytes")
        network = networks(options.coding)["stage 3"]
        result[f"stage 3 at {options.large} px, saved bytes"] = {
            memory: _bytes(network, memory, options.large) for memory in ("fast", "low")
        }
    report(result)


def _measure(stage: str, network: Network, size: int, repeats: int) -> dict[str, Any]:
    result = {}
    for kind in ("weights", "logits") if network.weighting is not None else ("weights",):
        note(f"{stage}, {kind}")
        for parameter in network.weights():
            parameter.requires_grad_(kind == "weights")
        logits = network.architecture_logits()
        if logits is not None:
            logits.requires_grad_(kind == "logits")
        # Executors lay weights out for themselves: each gets a network of its own, so that the
        # plain one stays in the default layout.
        own = {memory: copy.deepcopy(network) for memory in MEMORIES}
        saved = {memory: _bytes(own[memory], memory, size) for memory in MEMORIES}
        steps: dict[str, Callable[[], object]] = {
            memory: _step(own[memory], memory, size) for memory in MEMORIES
        }
        times = summary(alternate(steps, repeats))
        result[f"{stage}, {kind}"] = {
            memory: {
                **times[memory],
                "saved_mb": saved[memory] / 1e6,
                "saved_share": saved[memory] / saved["plain"],
            }
            for memory in MEMORIES
        }
    return result


def _step(network: Network, memory: Memory, size: int) -> Callable[[], None]:
    run = executor(network.train(), memory)
    image, target = _batch(size)

    def step() -> None:
        network.zero_grad()
        F.cross_entropy(run(image), target).backward()

    return step


def _bytes(network: Network, memory: Memory, size: int) -> int:
    run = executor(network.train(), memory)
    image, _ = _batch(size)
    return saved_bytes(network, lambda: run(image))


def _batch(size: int) -> tuple[Tensor, Tensor]:
    return torch.randn(2, 4, size, size), torch.randint(0, 5, (2, size, size))


if __name__ == "__main__":
    main()
