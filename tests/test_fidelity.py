"""Where we depart from the first release (docs/fidelity.md): each test fails on the old behaviour.

What the first release did is spelled out beside the test where that shows that the case is one in
which the two differ.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from dnas_cli.errors import Interrupted
from dnas_cli.evaluation.tiles import evaluate_tiles
from dnas_cli.metrics import IGNORE
from dnas_cli.nets.network import Network, NetworkShape, build_derived, build_supernet
from dnas_cli.run.directory import Run
from dnas_cli.run.given_settings import RunSettings
from dnas_cli.run.manifest import StageRecord
from dnas_cli.run.settings import SearchSettings
from dnas_cli.space.coding import ArchitectureCoding, first_space
from dnas_cli.space.decoding import decode_path
from dnas_cli.space.lattice import STEM, Edge, Graph, Node, edge, prune, scale_sizes
from dnas_cli.space.spaces import connection_space, path_space
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.batches import BatchStream, halves
from dnas_cli.training.steps import SearchSteps
from tests.support.command_line import dnas

CPU, BANDS = torch.device("cpu"), (0, 1, 2, 3)


@pytest.fixture(scope="module")
def tiles(tiny_tiles: Path) -> TileSet:
    """A tile set with 36 tiles to train on and 9 to validate."""
    return open_tile_set(tiny_tiles)


# -- the logits of scale 0 ------------------------------------------------------------------------


def test_the_path_is_decoded_from_the_logits_that_were_trained() -> None:
    graph = path_space(3)
    trained = dict.fromkeys(graph.edges, 0.0)
    stay, come_up = edge((1, 0), (2, 0)), edge((1, 1), (2, 0))
    trained[stay], trained[come_up] = 3.0, -3.0
    assert decode_path(graph, trained) == (0, 0, 0)

    # The first release trained slots 0 and 1 of scale 0 and decoded slots 1 and 2.
    old = {**trained, stay: trained[come_up], come_up: 0.0}
    assert decode_path(graph, old) != (0, 0, 0)


# -- missing edges below a core at scale 3 --------------------------------------------------------


def test_a_layer_after_a_core_at_scale_3_has_all_its_connections() -> None:
    path = (0, 1, 2, 3, 3, 2)
    space = connection_space(path)
    for layer in (4, 5):
        into = [item.source for item in space.incoming(Node(layer, 1))]
        # The first release made none of these, so that the node did not exist.
        assert into == [Node(layer - 1, 0), Node(layer - 1, 1), Node(layer - 1, 2)]
    assert prune(space) == space


# -- sizes that are not multiples of 64 -----------------------------------------------------------


def _first_release_size(size: int, source: int, target: int) -> int:
    """Resize relative to the source, as the first release did."""
    scale = 2.0 ** (source - target)
    return int((size - 1) * scale + 1) if size % 2 else int(size * scale)


def _down_and_up() -> Network:
    path = [(-1, 0), (0, 0), (1, 1), (2, 2), (3, 3), (4, 2), (5, 1), (6, 0)]
    edges = [edge(a, b) for a, b in pairwise(path)]
    edges += [edge((0, 0), (6, 0)), edge((0, 0), (3, 3)), edge((1, 1), (4, 2))]
    graph = Graph(7, tuple(edges))
    names = tuple(("conv3x3",) for _ in graph.nodes)
    torch.manual_seed(0)
    return build_derived(ArchitectureCoding(graph, names), NetworkShape(4, 4, 5)).eval()


@pytest.mark.parametrize(("height", "width"), [(75, 75), (100, 76), (67, 130), (8, 9), (512, 500)])
def test_images_of_any_size_are_segmented(height: int, width: int) -> None:
    with torch.inference_mode():
        logits = _down_and_up()(torch.randn(1, 4, height, width))
    assert logits.shape == (1, 5, height, width)
    assert bool(torch.isfinite(logits).all())


def test_sizes_agree_with_the_first_release_where_that_worked() -> None:
    for stem in (16, 32, 64, 128):  # images of 64 to 512 pixels
        sizes = [height for height, _ in scale_sizes(stem, stem)]
        for source in range(4):
            for target in range(4):
                assert _first_release_size(sizes[source], source, target) == sizes[target]
    # At 76 pixels (a stem of 19) what comes up from scale 1 does not fit what stayed at scale 0.
    assert _first_release_size(_first_release_size(19, 0, 1), 1, 0) == 20


# -- validation -----------------------------------------------------------------------------------


def test_validation_sees_every_pixel_once_and_is_not_random(tiles: TileSet) -> None:
    labelled = sum(int((tiles.read(ref)[2] != IGNORE).sum()) for ref in tiles.split("val"))
    torch.manual_seed(0)
    network = build_supernet(first_space(2), NetworkShape(4, len(tiles.bands), len(tiles.classes)))
    # 9 tiles in batches of 2: the first release dropped one of them.
    first, second = (
        evaluate_tiles(network.eval(), tiles.normalisation, tiles, "val", CPU, BANDS, batch=2)
        for _ in range(2)
    )
    assert first.pixels == labelled
    assert (first.counts == second.counts).all()


# -- the loader of the logits ---------------------------------------------------------------------


class _Recorded:
    """A stream of batches that remembers how often an epoch started, and its batches."""

    def __init__(self, stream: BatchStream) -> None:
        self.stream, self.starts, self.seen = stream, 0, Counter[bytes]()
        self.steps = stream.steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        self.starts += 1
        for image, label in self.stream.epoch(epoch, start):
            self.seen.update(item.numpy().tobytes() for item in image)
            yield image, label


def test_logits_go_once_through_their_half_of_the_data(tiles: TileSet) -> None:
    settings = SearchSettings(epochs=1, warmup=0, batch=2)
    torch.manual_seed(0)
    network = build_supernet(first_space(2), NetworkShape(2, len(tiles.bands), len(tiles.classes)))
    a, b = halves(tiles.split("train"), seed=0)
    weights, logits = (
        _Recorded(BatchStream(tiles, refs, settings, k, workers=0)) for k, refs in enumerate((a, b))
    )
    steps = SearchSteps(network, (weights, logits), settings, CPU)  # type: ignore[arg-type]
    for batches in steps.batches(0, 0):
        steps.step(batches, 0.01)
    # The first release began a fresh, shuffled loader for every step and took its first batch:
    # 9 draws of 2 out of 18 tiles, of which some came twice and a third never.
    assert logits.starts == 1
    assert sum(logits.seen.values()) == len(b)
    assert set(logits.seen.values()) == {1}


# -- resuming -------------------------------------------------------------------------------------


def _retrain(run: Path, architecture: Path, tiles: TileSet) -> tuple[object, ...]:
    settings = ("--preset", "quick", "--epochs", 2, "--batch", 4, "--width", 2, "--head", 8)
    inputs = ("--architecture", architecture, "--data", tiles.root, "--optimizer", "sgd")
    return ("retrain", run, *inputs, *settings, "--device", "cpu", "--workers", 0)


def _weights(run: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(run / "retrain/last.pt", weights_only=True)[
        "network"
    ]
    return weights


def _stop_after_the_first_epoch(patch: pytest.MonkeyPatch) -> None:
    set_record = Run.set_record

    def stop(run: Run, stage: str, record: StageRecord, *held: RunSettings | None) -> None:
        set_record(run, stage, record, *held)
        if record.epochs_done == 1:
            raise Interrupted("stopped")

    patch.setattr(Run, "set_record", stop)


def test_momentum_continues_after_a_stop(tiles: TileSet, tmp_path: Path) -> None:
    coding = ArchitectureCoding(Graph(1, (Edge(Node(0, 0), STEM),)), (("conv3x3",),))
    architecture = tmp_path / "architecture.json"
    coding.write(architecture)
    whole, ends = tmp_path / "whole", []
    dnas(*_retrain(whole, architecture, tiles))
    for name in ("resumed", "forgotten"):
        command = _retrain(tmp_path / name, architecture, tiles)
        with pytest.MonkeyPatch.context() as patch:
            _stop_after_the_first_epoch(patch)
            dnas(*command, code=130)
        with pytest.MonkeyPatch.context() as patch:
            if name == "forgotten":  # what the first release did
                patch.setattr(torch.optim.SGD, "load_state_dict", lambda self, state: None)
            dnas(*command)
        ends.append(_weights(tmp_path / name))
    expected = _weights(whole)
    assert all(torch.equal(ends[0][key], value) for key, value in expected.items())
    assert not all(torch.equal(ends[1][key], value) for key, value in expected.items())


# -- cells that lead nowhere ----------------------------------------------------------------------


def test_cells_that_lead_nowhere_are_not_built_and_change_no_logit() -> None:
    living = [edge((-1, 0), (0, 0)), edge((0, 0), (1, 0)), edge((1, 0), (2, 1))]
    dead = [edge((0, 0), (1, 1))]  # is fed and reaches no output: the first release ran it
    names = ("conv3x3", "max_pool_3x3")
    shape = NetworkShape(4, 4, 5)

    def built(graph: Graph) -> Network:
        return build_derived(ArchitectureCoding(graph, tuple(names for _ in graph.nodes)), shape)

    whole = built(Graph(3, tuple(living + dead))).eval()
    pruned = built(prune(whole.graph)).eval()
    assert len(pruned.cells) == len(whole.cells) - 1
    pruned.load_state_dict(
        {key: value for key, value in whole.state_dict().items() if key in pruned.state_dict()}
    )
    image = torch.randn(2, 4, 64, 64)
    with torch.inference_mode():
        assert torch.equal(whole(image), pruned(image))
