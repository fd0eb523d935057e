"""The parts of training: losses, samples, schedule, search steps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dnas_cli.nets.network import Network, NetworkShape, build_supernet
from dnas_cli.run.manifest import Extension
from dnas_cli.run.settings import RetrainSettings, SearchSettings
from dnas_cli.space.coding import ConnectionCoding, first_space, third_space
from dnas_cli.space.lattice import Graph, edge
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.lists import TileList, TileRef
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.batches import BatchStream, EpochSampler, Tile, halves
from dnas_cli.training.losses import balanced_weights, cross_entropy, cross_entropy_and_dice, focal
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.steps import SearchSteps


def test_cross_entropy_is_the_mean_over_labelled_pixels() -> None:
    logits = torch.randn(2, 3, 4, 4)
    target = torch.randint(0, 3, (2, 4, 4))
    target[0, :2] = 255
    expected = F.cross_entropy(logits, target, ignore_index=255)
    torch.testing.assert_close(cross_entropy(logits, target), expected)


@pytest.mark.parametrize("loss", [cross_entropy, focal, cross_entropy_and_dice])
def test_a_batch_without_labels_contributes_nothing(loss: Any) -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    value = loss(logits, torch.full((1, 4, 4), 255))
    value.backward()
    assert value.item() == 0.0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_balanced_weights_favour_rare_classes_and_are_one_on_average() -> None:
    weights = balanced_weights([90, 10, 0])
    assert weights.tolist() == pytest.approx([0.8333, 2.5, 0.0], abs=1e-3)
    assert (weights @ torch.tensor([90.0, 10.0, 0.0])).item() == pytest.approx(100.0)


@pytest.mark.parametrize("loss", [cross_entropy, focal])
def test_batches_count_by_what_they_show_so_that_rare_classes_keep_their_weight(loss: Any) -> None:
    """A step over one class alone does not weigh as much as one over a rarer one."""
    logits, target = torch.randn(4, 2, 1, 2), torch.tensor([[[0, 0]], [[0, 0]], [[0, 1]], [[1, 1]]])
    weights = torch.tensor([0.8, 2.5])
    each = [loss(logits[i : i + 1], target[i : i + 1], weights) for i in range(4)]
    torch.testing.assert_close(torch.stack(each).mean(), loss(logits, target, weights))
    torch.testing.assert_close(each[0], 0.8 * loss(logits[:1], target[:1]))
    unlabelled = loss(logits, torch.full((4, 1, 2), 255), weights)
    assert unlabelled.item() == 0.0


def test_focal_loss_weighs_by_the_distance_from_certainty() -> None:
    logits = torch.tensor([[[[0.0]], [[0.0]]]])  # both classes at one half
    expected = 0.5 * 0.5**2 * np.log(2)
    assert focal(logits, torch.tensor([[[0]]])).item() == pytest.approx(expected)


def test_the_learning_rate_goes_from_first_to_final_along_a_cosine() -> None:
    schedule = Schedule(SearchSettings(epochs=100))
    assert schedule.rate(0) == pytest.approx(0.025)
    assert schedule.rate(50) == pytest.approx(0.013)
    assert schedule.rate(100) == pytest.approx(0.001)


def test_a_warm_up_grows_to_the_first_rate_and_the_way_down_begins_there() -> None:
    schedule = Schedule(SearchSettings(epochs=100, rate_warm_up=0.1))
    assert schedule.rate(0) == pytest.approx(0.025 / 100)
    assert schedule.rate(5) == pytest.approx(0.0125)
    assert schedule.rate(10) == pytest.approx(0.025)
    assert schedule.rate(55) == pytest.approx(0.013)
    assert schedule.rate(100) == pytest.approx(0.001)


def test_a_polynomial_way_down_follows_the_power_of_deeplab() -> None:
    schedule = Schedule(SearchSettings(epochs=100, decay="polynomial"))
    assert schedule.rate(0) == pytest.approx(0.025)
    assert schedule.rate(50) == pytest.approx(0.001 + 0.024 * 0.5**0.9)
    assert schedule.rate(100) == pytest.approx(0.001)


def test_added_epochs_keep_the_final_rate_or_go_down_again() -> None:
    schedule = Schedule(
        SearchSettings(epochs=100), (Extension(10, "final"), Extension(20, "cosine"))
    )
    assert schedule.epochs == 130
    assert schedule.rate(105.5) == pytest.approx(0.001)
    assert schedule.rate(110) == pytest.approx(0.025)
    assert schedule.rate(120) == pytest.approx(0.013)
    assert schedule.rate(130) == pytest.approx(0.001)


@pytest.mark.parametrize(("room", "reads"), [(1 << 28, 8), (0, 16)])
def test_tiles_are_read_once_while_there_is_room_and_batches_stay_the_same(
    room: int, reads: int, tiny_tiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnas_cli.training.batches._KEPT_BYTES", room)
    tiles, read = open_tile_set(tiny_tiles), TileSet.read
    paths: list[str] = []

    def counted(tiles: TileSet, ref: TileRef) -> Tile:
        paths.append(ref.image)
        return read(tiles, ref)

    monkeypatch.setattr(TileSet, "read", counted)
    settings = RetrainSettings(batch=4, augment="scale")
    stream = BatchStream(tiles, tiles.split("train")[:8], settings, 3, workers=0)
    first, again = ([*stream.epoch(2)] for _ in range(2))
    assert len(paths) == reads
    for (image, label), (image_again, label_again) in zip(first, again, strict=True):
        assert torch.equal(image, image_again)
        assert torch.equal(label, label_again)


def test_epochs_of_few_steps_show_other_tiles_each_time() -> None:
    sampler, seen = EpochSampler(20, 2, seed=1, most=4), set()
    assert len(sampler) == 4
    for epoch in range(12):
        sampler.epoch = epoch
        shown = {index for batch in sampler for _, index in batch}
        assert len(shown) == 8
        seen |= shown
    assert seen == set(range(20))
    assert len(EpochSampler(20, 2, seed=1, most=30)) == 10


def test_an_epoch_can_start_at_any_step_with_the_same_batches() -> None:
    sampler = EpochSampler(23, 4, seed=1)
    sampler.epoch = 3
    whole = list(sampler)
    sampler.start = 2
    assert list(sampler) == whole[2:]
    assert len(whole) == 5
    assert len({index for batch in whole for _, index in batch}) == 20


def test_epochs_are_shuffled_differently_and_by_the_seed() -> None:
    def order(seed: int, epoch: int) -> list[Any]:
        sampler = EpochSampler(20, 2, seed)
        sampler.epoch = epoch
        return [index for batch in sampler for _, index in batch]

    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert order(5, 2) == order(5, 2)


def test_the_halves_are_disjoint_and_hold_everything() -> None:
    refs = TileList([f"image/{n}.tif\tlabel/{n}.png" for n in range(11)])
    a, b = halves(refs, 4)
    assert sorted([*a, *b], key=refs.index) == list(refs)
    assert len(a) - len(b) == 1
    assert halves(refs, 4) == (a, b)
    assert halves(refs, 5) != (a, b)


class _Stream:
    """Stands for a batch stream of given batches."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches
        self.steps = len(batches)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        return iter(self.batches[start:])


def _search(network: Network, batches: list[Any], **settings: Any) -> SearchSteps:
    streams: Any = (_Stream(batches), _Stream(batches))
    return SearchSteps(network, streams, SearchSettings(**settings), torch.device("cpu"))


def _batch(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 4, 32, 32), torch.randint(0, classes, (2, 32, 32))


def test_weights_learn_with_the_optimizer_that_was_asked_for() -> None:
    network = build_supernet(first_space(3), NetworkShape(4, 4, 3))
    sgd = _search(network, [_batch()], epochs=2, warmup=1 / 2).optimizers["weights"]
    assert isinstance(sgd, torch.optim.SGD)
    adamw = _search(
        network, [_batch()], epochs=2, warmup=1 / 2, optimizer="adamw", momentum=0.8,
        weight_decay=0.01,
    ).optimizers["weights"]  # fmt: skip
    assert isinstance(adamw, torch.optim.AdamW)
    assert (adamw.defaults["betas"], adamw.defaults["weight_decay"]) == ((0.8, 0.999), 0.01)


def test_logits_rest_before_their_first_epoch_and_learn_after() -> None:
    torch.manual_seed(0)
    network = build_supernet(first_space(3), NetworkShape(4, 4, 3))
    steps = _search(network, [_batch()], epochs=2, warmup=1 / 2)
    logits = network.architecture_logits()
    assert logits is not None
    start = logits.detach().clone()
    for batches in steps.batches(0, 0):
        assert set(steps.step(batches, 0.01)) == {"loss"}
    assert torch.equal(logits, start)
    for batches in steps.batches(1, 0):
        assert set(steps.step(batches, 0.01)) == {"loss", "logit_loss"}
    assert not torch.equal(logits, start)


def test_a_logit_step_leaves_the_weights_alone_and_computes_no_gradient_of_them() -> None:
    torch.manual_seed(0)
    network = build_supernet(first_space(3), NetworkShape(4, 4, 3))
    steps = _search(network, [_batch()], epochs=2, warmup=0)
    for weight in network.weights():
        weight.grad = None
    before = [weight.detach().clone() for weight in network.weights()]
    steps._step_logits(_batch())
    assert all(weight.grad is None for weight in network.weights())
    assert all(torch.equal(old, new) for old, new in zip(before, network.weights(), strict=True))
    assert all(weight.requires_grad for weight in network.weights())


def test_a_search_finds_the_one_operator_that_can_solve_the_task() -> None:
    # Every pixel's class is that of the whole image, which shows in its mean alone: noise hides
    # it from any local operator, and only global pooling sees all of the map.
    torch.manual_seed(0)
    graph = Graph(1, (edge((-1, 0), (0, 0)),))
    space = third_space(ConnectionCoding(graph))
    network = build_supernet(space, NetworkShape(8, 1, 2, head=8))
    generator = torch.Generator().manual_seed(1)

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        truth = torch.randint(0, 2, (8,), generator=generator)
        noise = 6.0 * torch.randn(8, 1, 64, 64, generator=generator)
        image = noise + (truth.float() - 0.5)[:, None, None, None]
        return image, truth[:, None, None].expand(-1, 64, 64).contiguous()

    steps = _search(
        network,
        [batch() for _ in range(20)],
        epochs=4,
        warmup=1 / 4,
        logit_learning_rate=0.1,
    )
    network.train()
    for epoch in range(4):
        for batches in steps.batches(epoch, 0):
            steps.step(batches, 0.05)
    logits = network.architecture_logits()
    assert logits is not None
    assert int(logits[0].argmax()) == 9  # global_average_pool
    assert float(torch.softmax(logits[0], 0)[9]) > 0.2  # twice an equal share
