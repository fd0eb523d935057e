"""What networks cost: counted over the graph, and checked against three other counters."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from dnas_cli.nets.cost import CostCount, count_cells, count_coding, count_cost
from dnas_cli.nets.network import Network, NetworkShape, build_derived, build_supernet
from dnas_cli.release1.codings import read_release1
from dnas_cli.space.coding import ArchitectureCoding, first_space
from dnas_cli.space.lattice import STEM, Edge, Graph, Node
from dnas_cli.space.operators import OPERATORS
from tests.support.command_line import dnas
from tests.support.release1_files import GOLDEN, random_state, raw_network, write_checkpoint

PUBLISHED = {
    # layer operations (G), outputs of layers (MB), parameters (M) with and without dead cells
    "L12": ("17.00 G", "773.0 MB", "6.157 M", "6.157 M"),
    "L14": ("54.06 G", "1195.4 MB", "7.169 M", "7.359 M"),
}


def _chain(*scales: int, operators: tuple[str, ...] = OPERATORS) -> ArchitectureCoding:
    nodes = [STEM, *(Node(layer, scale) for layer, scale in enumerate(scales))]
    graph = Graph(len(scales), tuple(Edge(b, a) for a, b in pairwise(nodes)))
    return ArchitectureCoding(graph, tuple(operators for _ in graph.nodes))


def _measured(network: nn.Module, bands: int, height: int, width: int) -> dict[str, int]:
    """Count by ptflops (two backends), by PyTorch and by looking at every layer's output."""
    from ptflops import get_model_complexity_info
    from torch.utils.flop_counter import FlopCounterMode

    outputs: list[int] = []
    biases: list[int] = []

    def look(layer: nn.Module, inputs: object, output: object) -> None:
        if not isinstance(output, torch.Tensor):  # the weighting of a supernet is no layer
            return
        outputs.append(output.numel())
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            biases.append(output.numel())

    network.eval()
    layers = [layer for layer in network.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(look) for layer in layers]
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        network(torch.empty(1, bands, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    counted = {"torch": flops.get_total_flops() // 2 + sum(biases), "bytes": 4 * sum(outputs)}
    for backend in ("aten", "pytorch"):
        macs, parameters = get_model_complexity_info(
            network,
            (bands, height, width),
            as_strings=False,
            print_per_layer_stat=False,
            backend=backend,
            backend_specific_config={"count_functional": False} if backend == "pytorch" else {},
        )
        counted[backend], counted["parameters"] = macs, parameters
    return counted


def _agree(network: Network, height: int, width: int) -> None:
    count = count_cost(network, height, width)
    measured = _measured(network, network.shape.bands, height, width)
    assert count.multiply_accumulates == measured["torch"] == measured["aten"]
    assert count.layer_operations == measured["pytorch"]
    assert count.layer_output_bytes == measured["bytes"]
    assert count.parameters == sum(weight.numel() for weight in network.weights())


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_is_counted_as_ptflops_and_pytorch_count_it(operator: str) -> None:
    with torch.device("meta"):
        network = build_derived(_chain(0, 1, 0, operators=(operator,)), NetworkShape(6, 3, 4))
    _agree(network, 64, 64)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (70, 51), (33, 128)])
def test_counts_hold_at_any_size(height: int, width: int) -> None:
    with torch.device("meta"):
        network = build_derived(_chain(0, 1, 2, 3), NetworkShape(4, 4, 5))
    _agree(network, height, width)


def test_supernets_are_counted_too() -> None:
    with torch.device("meta"):
        network = build_supernet(first_space(4), NetworkShape(4, 4, 5))
    count = count_cost(network, 64, 64)
    measured = _measured(network, 4, 64, 64)
    assert count.multiply_accumulates == measured["aten"]
    assert count.layer_operations == measured["pytorch"]
    assert count.layer_output_bytes == measured["bytes"]


@pytest.mark.parametrize("hidden", [256, 24])
def test_a_stem_and_one_cell_cost_what_one_counts_by_hand(hidden: int) -> None:
    shape = NetworkShape(4, 4, 5, head=hidden)
    count = count_coding(_chain(0, operators=("conv1x1",)), shape, 8, 8)
    stem = 16 * 2 * (4 * 9 + 1) + 16 * 2 * (2 * 9 + 1) + 4 * 4 * (2 * 9 + 1)  # 4x4, 4x4, 2x2
    cell = 4 * 4 * 4
    head = 4 * (hidden * 4 * 9 + hidden * hidden * 9 + 5 * (hidden + 1))
    assert count.multiply_accumulates == stem + cell + head
    layers = 3 * (32 + 32 + 16) + 3 * 16 + 4 * (6 * hidden + 5)  # conv, BN, ReLU; head with dropout
    assert count.layer_output_bytes == 4 * layers
    per_element = 3 * (32 + 32 + 16) + 3 * 16 + 2 * 2 * 4 * hidden  # BN 2, ReLU 1
    assert count.layer_operations == count.multiply_accumulates + per_element


def test_cells_left_out_and_cells_built_add_up() -> None:
    folder = GOLDEN / "published" / "L14"
    coding = read_release1(folder / "third_connect.npy", folder / "cell_operations.npy")
    shape = NetworkShape(8, 4, 5)
    with torch.device("meta"):
        whole = raw_network(coding, shape)
    executed = set(coding.executed.edges)
    cells = {item: coding.operators[item.target] for item in coding.dropped if item in executed}
    built = count_coding(coding.architecture(), shape, 128, 128)
    assert built + count_cells(cells, shape, 128, 128) == count_cost(whole, 128, 128)
    assert count_cells({}, shape, 128, 128) == CostCount()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_figures_are_printed_to_the_digit(name: str, tmp_path: Path) -> None:
    folder = GOLDEN / "published" / name
    files = (folder / "third_connect.npy", folder / "cell_operations.npy")
    state = random_state(read_release1(*files), NetworkShape(40, 4, 5))
    checkpoint = write_checkpoint(tmp_path / "best_model.pth.tar", state)
    model = tmp_path / "model.pt"
    dnas("import", *files, checkpoint, "--dataset", "gid5", "--out", model)

    printed = dnas("eval", model, "--cost").stdout
    for figure in PUBLISHED[name]:
        assert figure in printed, printed
    assert "4 x 512 x 512" in printed

    cost = json.loads(dnas("eval", model, "--cost", "--json").stdout)
    assert cost["published"]["layer_operations"] > cost["network"]["layer_operations"]
    assert cost["published"]["multiply_accumulates"] < cost["published"]["layer_operations"]


@pytest.mark.slow
def test_other_counters_agree_on_a_published_network() -> None:
    folder = GOLDEN / "published" / "L12"
    coding = read_release1(folder / "third_connect.npy", folder / "cell_operations.npy")
    with torch.device("meta"):
        _agree(raw_network(coding, NetworkShape(40, 4, 5)), 512, 512)


def test_a_model_without_dead_cells_has_one_column(tmp_path: Path) -> None:
    from tests.support.small_models import write_model

    printed = dnas("eval", write_model(tmp_path / "model.pt"), "--cost").stdout
    assert "this network" in printed
    assert "as published" not in printed


def test_an_architecture_is_counted_without_weights_and_ptflops_agrees(tmp_path: Path) -> None:
    coding, file = _chain(0, 1, 0), tmp_path / "architecture.json"
    coding.write(file)
    size = ("--bands", 3, "--classes", 4, "--width", 8, "--size", 64)
    cost = json.loads(dnas("eval", file, "--cost", "--check", "--json", *size).stdout)
    assert cost["network"] == count_coding(coding, NetworkShape(8, 3, 4), 64, 64).to_json()
    assert cost["ptflops"]["agrees"]
    assert cost["ptflops"]["multiply_accumulates"] == cost["network"]["multiply_accumulates"]
    assert "ptflops agrees" in dnas("eval", file, "--cost", "--check", *size).stdout
    assert "published as GFLOPs" in dnas("info", file).stdout
    assert "--size 0: must be" in dnas("eval", file, "--cost", "--size", 0, code=2).stderr


def test_cost_of_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("no model")
    assert "model.pt" in dnas("eval", tmp_path / "model.pt", "--cost", code=4).stderr
    dnas("eval", tmp_path / "missing.pt", "--cost", code=4)
