"""Times the folded network against the plain one on a tile, and compares their maps.

    python benchmarks/inference.py [--repeats 5] [--size 512] [--codings L12 L14]

The plain network runs edge by edge in the default memory layout; `channels last` is the same
network in the other layout. Prints JSON.
"""

import argparse
import copy
from typing import Any

import torch
from measuring import SHAPE, alternate, machine, note, published, randomise, report, summary
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dnas_cli.nets.folding import fold
from dnas_cli.nets.network import build_derived


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--codings", nargs="+", default=["L12", "L14"])
    options = parser.parse_args()
    torch.manual_seed(0)
    facts = machine()
    result: dict[str, Any] = {"machine": facts, "size": options.size}
    for name in options.codings:
        note(name)
        peak = facts["matrix_product_gmac_per_s"]
        result[name] = _measure(name, options.size, options.repeats, peak)
    report(result)


@torch.inference_mode()
def _measure(name: str, size: int, repeats: int, peak: float) -> dict[str, Any]:
    plain = build_derived(published(name), SHAPE).eval()
    randomise(plain)
    folded = fold(plain)
    other_layout = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    image = torch.randn(1, SHAPE.bands, size, size)
    other_image = image.contiguous(memory_format=torch.channels_last)
    expected, found = plain(image), folded(image)
    times = summary(
        alternate(
            {
                "plain": lambda: plain(image),
                "channels last": lambda: other_layout(other_image),
                "folded": lambda: folded(image),
            },
            repeats,
        )
    )
    arithmetic = {
        key: _arithmetic(net, size) for key, net in (("plain", plain), ("folded", folded))
    }
    limit = arithmetic["folded"] / peak
    return {
        "times": times,
        "gmac": arithmetic,
        "limit_of_matrix_product_s": limit,
        "share_of_limit": limit / times["folded"]["median_s"],
        "largest_difference": float((found - expected).abs().max() / expected.abs().max()),
        "same_class": float((found.argmax(1) == expected.argmax(1)).double().mean()),
    }


def _arithmetic(network: nn.Module, size: int) -> float:
    """Multiply-accumulates in G, counted on tensors that have shapes and no values."""
    shapes = copy.deepcopy(network).to("meta")
    with FlopCounterMode(display=False) as flops:
        shapes(torch.empty(1, SHAPE.bands, size, size, device="meta"))
    return flops.get_total_flops() / 2e9


if __name__ == "__main__":
    main()
