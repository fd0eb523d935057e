"""Times the folded network against the plain one on a tile, and compares their maps.

    python -m benchmarks.inference [--repeats 5] [--size 512] [--codings L12 L14]

The plain network runs edge by edge in the default memory layout. Every way to run it is a process
of its own, as a program is, and they take turns. `plain` is PyTorch as it comes; the others keep
the memory that feature maps leave (`nets.allocation`), as commands do. Prints JSON.
"""

import argparse
import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import (
    SHAPE,
    in_turn,
    machine,
    note,
    programs,
    published,
    randomise,
    report,
    summary,
)
from dnas_cli.nets.allocation import keep_freed_memory
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.network import Network, build_derived

WAYS = ("plain", "plain, memory kept", "channels last, memory kept", "folded")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--codings", nargs="+", default=["L12", "L14"])
    options = parser.parse_args()
    facts = machine()
    result: dict[str, Any] = {"machine": facts, "size": options.size}
    for name in options.codings:
        note(name)
        times = _times(name, options.size, options.repeats)
        result[name] = {"times": times, **_comparison(name, options.size)}
        limit = result[name]["gmac"]["folded"] / facts["matrix_product_gmac_per_s"]
        result[name]["limit_of_matrix_product_s"] = limit
        result[name]["share_of_limit"] = limit / times["folded"]["median_s"]
    report(result)


def _times(name: str, size: int, repeats: int) -> dict[str, dict[str, float]]:
    with programs(_prepare, {way: (way, name, size) for way in WAYS}) as timers:
        return summary(in_turn(timers, repeats))


def _prepare(way: str, name: str, size: int) -> Callable[[], object]:
    if way != "plain":
        keep_freed_memory()
    plain, image = _plain(name), _image(size)
    network: nn.Module = plain
    if way.startswith("channels last"):
        network = plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = image.contiguous(memory_format=torch.channels_last)
    elif way == "folded":
        network = fold(plain)

    def step() -> Tensor:
        with torch.inference_mode():
            result: Tensor = network(image)
        return result

    return step


@torch.inference_mode()
def _comparison(name: str, size: int) -> dict[str, Any]:
    plain = _plain(name)
    folded = fold(plain)
    expected, found = plain(_image(size)), folded(_image(size))
    return {
        "gmac": {"plain": _arithmetic(plain, size), "folded": _arithmetic(folded, size)},
        "largest_difference": float((found - expected).abs().max() / expected.abs().max()),
        "same_class": float((found.argmax(1) == expected.argmax(1)).double().mean()),
    }


def _plain(name: str) -> Network:
    torch.manual_seed(0)
    network = build_derived(published(name), SHAPE).eval()
    randomise(network)
    return network


def _image(size: int) -> Tensor:
    return torch.randn(1, SHAPE.bands, size, size, generator=torch.Generator().manual_seed(1))


def _arithmetic(network: nn.Module, size: int) -> float:
    """Multiply-accumulates in G, counted on tensors that have shapes and no values."""
    shapes = copy.deepcopy(network).to("meta")
    with FlopCounterMode(display=False) as flops:
        shapes(torch.empty(1, SHAPE.bands, size, size, device="meta"))
    return float(flops.get_total_flops()) / 2e9


if __name__ == "__main__":
    main()
