"""The folded network: equal to the plain one, with less to do."""

import copy
import itertools
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from dnas_cli.nets.folding.convolution import Convolution
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.folding.head import FoldedHead
from dnas_cli.nets.map_operations import average_pool, interpolation, max_pool, mean_after_resize
from dnas_cli.nets.network import NetworkShape, build_derived, resize
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Graph, edge, prune
from dnas_cli.space.operators import OPERATORS
from tests.support.random_networks import KINDS, random_network, randomise
from tests.support.release1_files import GOLDEN

SIZES = [(64, 64), (37, 90), (1, 1), (5, 3), (18, 130)]
CODINGS = Path(__file__).resolve().parents[1] / "benchmarks" / "codings"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_folding_changes_no_logit_of_any_network_at_any_size(kind: str, seed: int) -> None:
    network = random_network(kind, seed, layers=5 + seed % 2).eval()
    folded = fold(network)
    for batch, size in zip(itertools.cycle([1, 2, 3]), SIZES, strict=False):
        image = torch.randn(batch, network.shape.bands, *size, dtype=torch.float64)
        with torch.no_grad():
            expected, found = network(image), folded(image)
        assert found.shape == expected.shape
        assert _difference(found, expected) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_folding_is_as_exact_in_single_precision(kind: str) -> None:
    network = random_network(kind, 7, width=8).float().eval()
    image = torch.randn(2, network.shape.bands, 96, 70)
    with torch.inference_mode():
        assert _difference(fold(network)(image), network(image)) < 1e-5


def test_folding_leaves_the_network_as_it_is_and_does_not_follow_it() -> None:
    network = random_network("derived", 1).eval()
    before = copy.deepcopy(network.state_dict())
    folded = fold(network)
    image = torch.randn(1, network.shape.bands, 40, 40, dtype=torch.float64)
    with torch.no_grad():
        first = folded(image)
        assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
        for parameter in network.parameters():
            parameter.add_(1)
        assert torch.equal(folded(image), first)
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_a_folded_network_that_has_run_can_be_copied() -> None:
    network = random_network("derived", 2, width=8).float().eval()
    folded = fold(network)
    image = torch.randn(1, network.shape.bands, 40, 40)
    with torch.inference_mode():
        first = folded(image)
        assert torch.equal(copy.deepcopy(folded)(image), first)


@pytest.mark.parametrize("name", ["L12", "L14"])
def test_published_networks_map_the_same_classes_when_folded(name: str) -> None:
    torch.manual_seed(0)
    network = build_derived(_published(name), NetworkShape(40, 4, 5)).eval()
    randomise(network)
    image = torch.randn(1, 4, 256, 256)
    with torch.inference_mode():
        expected, found = network(image), fold(network)(image)
    assert _difference(found, expected) < 1e-5
    assert float((found.argmax(1) == expected.argmax(1)).double().mean()) >= 0.99999


@pytest.mark.parametrize("name", ["L12", "L14"])
def test_the_codings_of_the_benchmarks_are_the_published_ones(name: str) -> None:
    folder = GOLDEN / "published" / name
    connections = np.load(folder / "third_connect.npy").tolist()
    chosen = np.load(folder / "cell_operations.npy")
    graph = prune(Graph(len(chosen), tuple(edge(tuple(a), tuple(b)) for a, b in connections)))
    coding = _published(name)
    assert coding.graph == graph
    assert coding.operators == tuple(
        tuple(OPERATORS[k] for k in np.flatnonzero(chosen[node.layer, node.scale]))
        for node in graph.nodes
    )


# Of a 4 x 512 x 512 tile: multiply-accumulates in G, convolutions, resizes.
@pytest.mark.parametrize(
    ("name", "plain", "most"),
    [("L12", (16.41, 210, 45), (11.6, 168, 28)), ("L14", (52.94, 278, 54), (20.7, 243, 43))],
)
def test_folding_saves_arithmetic_convolutions_and_resizes(
    name: str, plain: tuple[float, int, int], most: tuple[float, int, int]
) -> None:
    network = build_derived(_published(name), NetworkShape(40, 4, 5)).eval()
    folded = fold(network)  # which needs values
    expected, found = _counts(network), _counts(folded)
    assert expected[0] == pytest.approx(plain[0], rel=1e-3)
    assert expected[1:] == plain[1:]
    assert all(count <= limit for count, limit in zip(found, most, strict=True)), found


@pytest.mark.parametrize("sizes", [[(9, 12), (5, 6)], [(1, 1), (1, 1)], [(1, 7), (1, 4)], [(2, 3)]])
def test_the_folded_head_is_exact_at_borders_and_corners(sizes: list[tuple[int, int]]) -> None:
    network = random_network("derived", 3)
    while len(network.graph.outputs) != len(sizes):
        network = random_network("derived", int(torch.randint(1000, ()).item()))
    network.eval()
    features = [
        torch.randn(2, network.shape.channels(node), *size, dtype=torch.float64)
        for node, size in zip(network.graph.outputs, sizes, strict=True)
    ]
    with torch.no_grad():
        joined = torch.cat([resize(feature, sizes[0]) for feature in features], 1)
        assert _difference(FoldedHead(network)(features), network.head(joined)) < 1e-12


@pytest.mark.parametrize(("size", "to"), [(1, 1), (1, 5), (5, 1), (4, 4), (7, 13), (13, 7), (2, 9)])
def test_interpolation_as_a_matrix_is_what_resizing_does(size: int, to: int) -> None:
    x = torch.randn(1, 3, size, dtype=torch.float64)
    expected = F.interpolate(x, to, mode="linear", align_corners=True)
    torch.testing.assert_close(x @ interpolation(size, to, x).T, expected)


@pytest.mark.parametrize("size", [(4, 6), (15, 3), (1, 1), (8, 5)])
def test_the_mean_of_a_resized_map_needs_no_resize(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, 8, 5, dtype=torch.float64)
    expected = resize(x, size).mean((2, 3), keepdim=True)
    torch.testing.assert_close(mean_after_resize(x, size), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 3), (2, 9), (17, 8)])
def test_max_pooling_by_rows_and_columns_is_max_pooling(size: tuple[int, int]) -> None:
    x = torch.randn(2, 5, *size).contiguous(memory_format=torch.channels_last)
    expected = F.max_pool2d(x, 3, 1, 1)
    assert torch.equal(max_pool(x), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 3), (2, 9), (17, 8)])
def test_average_pooling_as_a_convolution_counts_no_pixel_beyond_the_border(
    size: tuple[int, int],
) -> None:
    x = torch.randn(2, 5, *size).contiguous(memory_format=torch.channels_last)
    expected = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(average_pool(x), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_convolution_adds_to_a_map_what_it_gives_alone(dtype: torch.dtype) -> None:
    convolution = Convolution(torch.randn(6, 4, 1, 1, dtype=dtype), torch.randn(6, dtype=dtype))
    x = torch.randn(2, 4, 7, 5, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        total = torch.randn(2, 6, 7, 5, dtype=dtype).contiguous(memory_format=torch.channels_last)
        expected = total + F.conv2d(x, convolution.weight, convolution.bias)
        convolution.add_to(total, x)
    torch.testing.assert_close(total, expected)


def test_what_is_remembered_in_inference_can_take_part_in_a_gradient() -> None:
    with torch.inference_mode():
        mean_after_resize(torch.randn(1, 3, 11, 6), (23, 14))
    x = torch.randn(1, 3, 11, 6, requires_grad=True)
    torch.autograd.backward(mean_after_resize(x, (23, 14)).sum())
    assert x.grad is not None
    assert float(x.grad.sum()) == pytest.approx(3)


def _published(name: str) -> ArchitectureCoding:
    return ArchitectureCoding.read(CODINGS / f"{name}.json")


def _difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest logit."""
    return float((found - expected).abs().max() / expected.abs().max())


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.names.append(function.__name__)
        return function(*args, **(kwargs or {}))


def _counts(network: nn.Module) -> tuple[float, int, int]:
    """Multiply-accumulates in G, convolutions and resizes of a tile; nothing is computed."""
    network, image = network.to("meta"), torch.empty(1, 4, 512, 512, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as flops, _Calls() as calls:
        network(image)
    convolutions = calls.names.count("convolution.default")
    resizes = sum(name.startswith("upsample_bilinear2d") for name in calls.names)
    return flops.get_total_flops() / 2e9, convolutions, resizes


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_feature_maps_use_the_memory_again_that_others_left() -> None:
    program = """
import resource, sys, torch
from pathlib import Path
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.network import NetworkShape, build_derived
from dnas_cli.space.coding import ArchitectureCoding
if sys.argv[1] == "kept":
    resolve_device("cpu")
network = fold(build_derived(ArchitectureCoding.read(Path(sys.argv[2])), NetworkShape(40, 4, 5)))
tile = torch.zeros(1, 4, 512, 512)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    with torch.inference_mode():
        network(tile)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(sum([faults() for _ in range(6)][3:]))  # the first passes find the memory
"""
    taken = {}
    for mode in ("default", "kept"):
        command = [sys.executable, "-c", program, mode, str(CODINGS / "L12.json")]
        done = subprocess.run(command, capture_output=True, check=True)
        taken[mode] = int(done.stdout)
    assert taken["kept"] < taken["default"] / 4, taken
