"""Times training steps and counts what they save, plain against fast against low memory.

    python -m benchmarks.training_step [--repeats 3] [--size 256] [--coding L14] [--stages ...]
        [--ways ...]

A step is a forward pass at batch 2, cross-entropy and the backward pass; `logits` is the step of a
search in which only the architecture logits learn. Every way to run it is a process of its own, and
they take turns. `plain` is PyTorch as it comes; the others keep the memory that feature maps leave
(`nets.allocation`), as commands do; at 512 px that leaves too little memory for all four, and
`--ways plain fast low` does without one. Prints JSON.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measuring import (
    in_turn,
    machine,
    networks,
    note,
    programs,
    report,
    saved_bytes,
    summary,
)
from dnas_cli.nets.allocation import keep_freed_memory
from dnas_cli.nets.network import Network
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.executor import executor

WAYS = ("plain", "plain, memory kept", "fast", "low")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--coding", default="L14")
    parser.add_argument("--stages", nargs="+", default=["stage 1", "stage 2", "stage 3", "retrain"])
    parser.add_argument("--large", type=int, default=512, help="size at which stage 3 is counted")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS, help="plain comes first")
    options = parser.parse_args()
    if options.ways[0] != "plain":
        parser.error("--ways: plain comes first, for the others are compared with it")
    result: dict[str, Any] = {"machine": machine(), "coding": options.coding, "steps": {}}
    for stage in options.stages:
        searched = networks(options.coding)[stage].weighting is not None
        for kind in ("weights", "logits") if searched else ("weights",):
            note(f"{stage}, {kind}")
            result["steps"][f"{stage}, {kind}"] = _measure(
                options.ways, (options.coding, stage, kind, options.size), options.repeats
            )
    if "stage 3" in options.stages:
        note(f"stage 3 at {options.large} px: bytes")
        network = networks(options.coding)["stage 3"]
        result[f"stage 3 at {options.large} px, saved bytes"] = {
            memory: _bytes(network, memory, options.large) for memory in ("fast", "low")
        }
    report(result)


def _measure(ways: Sequence[str], what: tuple[str, str, str, int], repeats: int) -> dict[str, Any]:
    with programs(_prepare, {way: (way, *what) for way in ways}) as timers:
        times = summary(in_turn(timers, repeats))
    coding, stage, kind, size = what
    saved = {way: _bytes(_network(coding, stage, kind), _memory(way), size) for way in ways}
    return {
        way: {
            **times[way],
            "saved_mb": saved[way] / 1e6,
            "saved_share": saved[way] / saved["plain"],
        }
        for way in ways
    }


def _prepare(way: str, coding: str, stage: str, kind: str, size: int) -> Callable[[], object]:
    if way != "plain":
        keep_freed_memory()
    network = _network(coding, stage, kind)
    run = executor(network.train(), _memory(way))
    image, target = _batch(size)

    def step() -> None:
        network.zero_grad()
        torch.autograd.backward(F.cross_entropy(run(image), target))

    return step


def _memory(way: str) -> ExecutionMode:
    """Return how a way executes: its first word."""
    return cast(ExecutionMode, way.partition(",")[0])


def _network(coding: str, stage: str, kind: str) -> Network:
    torch.manual_seed(0)
    network = networks(coding)[stage]
    for parameter in network.weights():
        parameter.requires_grad_(kind == "weights")
    logits = network.architecture_logits()
    if logits is not None:
        logits.requires_grad_(kind == "logits")
    return network


def _bytes(network: Network, memory: ExecutionMode, size: int) -> int:
    run = executor(network.train(), memory)
    image, _ = _batch(size)
    return saved_bytes(network, lambda: run(image))


def _batch(size: int) -> tuple[Tensor, Tensor]:
    return torch.randn(2, 4, size, size), torch.randint(0, 5, (2, size, size))


if __name__ == "__main__":
    main()
