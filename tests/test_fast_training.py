"""Fast and low-memory training: the plain network's gradients, with less saved."""

import copy
import weakref
from collections import defaultdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dnas_cli.nets import step_estimate
from dnas_cli.nets.network import Network, NetworkShape, build_supernet, resize
from dnas_cli.nets.step_estimate import SavedBytes, estimate_step
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.executor import executor
from dnas_cli.nets.training_pass.head import joined_convolution
from dnas_cli.space.coding import ArchitectureCoding, ConnectionCoding, first_space, third_space
from tests.support.random_networks import KINDS, random_network

CODINGS = Path(__file__).resolve().parents[1] / "benchmarks" / "codings"
MEMORIES: list[ExecutionMode] = ["fast", "low"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("seed", "size"), [(0, (64, 64)), (1, (37, 50)), (2, (5, 9)), (3, (20, 6))]
)
def test_every_execution_gives_the_gradients_of_the_plain_network(
    kind: str, seed: int, size: tuple[int, int]
) -> None:
    plain = random_network(kind, seed).train()
    others = {memory: copy.deepcopy(plain) for memory in MEMORIES}
    image, target = _batch(plain, size)
    expected = _step(plain, "plain", image, target)
    for memory, other in others.items():
        found = _step(other, memory, image, target)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
        gradients = _gradients(other)
        assert gradients.keys() == _gradients(plain).keys()
        for name, gradient in _gradients(plain).items():
            torch.testing.assert_close(gradients[name], gradient, rtol=1e-7, atol=1e-10, msg=name)
        for name, buffer in plain.named_buffers():
            same = other.get_buffer(name)
            torch.testing.assert_close(same, buffer, rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_step_of_the_logits_computes_no_gradient_of_a_weight(kind: str) -> None:
    plain = random_network(kind, 5).train()
    for parameter in plain.weights():
        parameter.requires_grad_(False)
    others = {memory: copy.deepcopy(plain) for memory in MEMORIES}
    image, target = _batch(plain, (40, 40))
    _step(plain, "plain", image, target)
    for memory, other in others.items():
        _step(other, memory, image, target)
        assert list(_gradients(other)) == ["weighting.logits"]
        torch.testing.assert_close(
            _gradients(other)["weighting.logits"], _gradients(plain)["weighting.logits"]
        )


@pytest.mark.parametrize("memory", MEMORIES)
def test_several_steps_of_an_optimizer_end_at_the_same_weights(memory: ExecutionMode) -> None:
    plain = random_network("stage 3", 6, layers=4).train()
    other = copy.deepcopy(plain)
    batches = [_batch(plain, (32, 32), seed) for seed in range(3)]
    ways: list[tuple[Network, ExecutionMode]] = [(plain, "plain"), (other, memory)]
    for network, chosen in ways:
        optimizer = torch.optim.SGD(network.weights(), 0.01, momentum=0.9)
        run = executor(network, chosen)
        for image, target in batches:
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(run(image), target))
            optimizer.step()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_precision_is_as_near_to_the_exact_logits_as_the_plain_networks(kind: str) -> None:
    far: dict[str, float] = defaultdict(float)
    ways: list[ExecutionMode] = ["plain", *MEMORIES]
    for seed in range(2, 6):  # one network alone is a matter of luck
        network = random_network(kind, seed).float().train()
        image, target = _batch(network, (64, 64))
        exact = copy.deepcopy(network)(image.float()).detach()
        for chosen in ways:
            other = copy.deepcopy(network)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = executor(other, chosen)(image.float())
            assert logits.dtype == torch.bfloat16
            torch.autograd.backward(F.cross_entropy(logits.float(), target))
            assert all(torch.isfinite(gradient).all() for gradient in _gradients(other).values())
            far[chosen] += float((logits.detach().float() - exact).norm() / exact.norm())
    assert max(far[memory] for memory in MEMORIES) < 1.5 * far["plain"], far


@pytest.mark.parametrize("memory", MEMORIES)
def test_in_evaluation_mode_an_executor_is_the_network(memory: ExecutionMode) -> None:
    network = random_network("stage 2", 0).eval()
    image, _ = _batch(network, (30, 30))
    with torch.no_grad():
        assert torch.equal(executor(network, memory)(image), network(image))


def test_an_executor_keeps_the_parameters_that_an_optimizer_holds() -> None:
    network = random_network("derived", 0).train()
    before = {name: (id(p), p.detach().clone()) for name, p in network.named_parameters()}
    executor(network, "fast")
    for name, parameter in network.named_parameters():
        assert id(parameter) == before[name][0]
        assert torch.equal(parameter, before[name][1])


def test_dropout_in_the_head_drops_and_scales_as_it_says() -> None:
    torch.manual_seed(0)
    network = build_supernet(first_space(2), NetworkShape(4, 3, 2, dropout=(0.0, 0.5))).train()
    image = torch.randn(2, 3, 64, 64)
    run = executor(network, "fast")
    draws = torch.stack([run(image).detach() for _ in range(100)])
    dropout = network.get_submodule("head.5")
    assert isinstance(dropout, torch.nn.Dropout)
    dropout.p = 0.0
    without = run(image).detach()
    # Only a 1x1 convolution follows: on average, the logits are those without dropout.
    assert float((draws[0] - without).abs().mean() / without.abs().mean()) > 0.2
    assert float((draws.mean(0) - without).abs().mean() / without.abs().mean()) < 0.1


# Shares of what the plain network saves, at widths where the paper's proportions hold.
@pytest.mark.parametrize(
    ("kind", "fast", "low"),
    [("stage 1", 0.7, 0.45), ("stage 2", 0.7, 0.4), ("stage 3", 0.55, 0.1), ("derived", 0.7, 0.4)],
)
def test_less_is_saved_for_the_backward_pass(kind: str, fast: float, low: float) -> None:
    network = random_network(kind, 11, layers=8, width=16).float().train()
    image = torch.randn(2, network.shape.bands, 128, 128)
    plain = _saved(network, "plain", image)
    assert _saved(network, "fast", image) / plain < fast
    assert _saved(network, "low", image) / plain < low


def test_stage_three_of_the_published_network_trains_in_less_than_a_gigabyte() -> None:
    """At 512 px and batch 2, where the plain network would save 6 GB."""
    coding = ArchitectureCoding.read(CODINGS / "L14.json")
    with torch.device("meta"):
        space = third_space(ConnectionCoding(coding.graph))
        network = build_supernet(space, NetworkShape(40, 4, 5))
    assert estimate_step(network, "low", 2, 512).activation_bytes < 0.4e9


@pytest.mark.parametrize("memory", ["plain", "fast", "low"])
def test_an_estimate_is_what_a_step_then_takes(
    memory: ExecutionMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_estimate, "_SMALL", 0)  # computed, it would be that of course
    network = random_network("stage 3", 2, width=8).float().train()
    logits = network.architecture_logits()
    assert logits is not None
    logits.requires_grad_(False)
    estimate = estimate_step(network, memory, 2, 64)
    image = torch.randn(2, network.shape.bands, 64, 64)
    assert estimate.activation_bytes == pytest.approx(_saved(network, memory, image), rel=0.1)
    assert estimate.parameters == sum(p.numel() for p in network.parameters())
    assert estimate.total_bytes > estimate.activation_bytes
    plain = estimate_step(network, "plain", 2, 64)
    assert estimate.multiply_accumulates / plain.multiply_accumulates <= 4 / 3
    more = estimate_step(network, memory, 2, 64, copies=3).optimizer_bytes
    assert more - estimate.optimizer_bytes == 2 * 4 * (estimate.parameters - logits.numel())


def test_counting_saved_bytes_leaves_nothing_behind() -> None:
    """A ReLU saves its own result: kept as it is, the two would keep each other alive."""
    saved = SavedBytes(torch.nn.Identity())
    with saved.counted():
        result = torch.relu(torch.randn(8, requires_grad=True))
    alive = weakref.ref(result)
    del result
    assert saved.total == 32
    assert alive() is None


@pytest.mark.parametrize("sizes", [[(9, 12), (5, 6), (3, 3)], [(1, 1), (1, 1)], [(2, 16), (1, 4)]])
def test_the_heads_first_convolution_may_run_before_the_resize(
    sizes: list[tuple[int, int]],
) -> None:
    features = [
        torch.randn(2, 3 + k, *size, dtype=torch.float64, requires_grad=True)
        for k, size in enumerate(sizes)
    ]
    weight = torch.randn(7, sum(x.shape[1] for x in features), 3, 3, dtype=torch.float64)
    weight.requires_grad_(True)
    joined = torch.cat([resize(x, sizes[0]) for x in features], 1)
    expected, found = F.conv2d(joined, weight, padding=1), joined_convolution(features, weight)
    torch.testing.assert_close(found, expected)
    direction = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(expected, [weight, *features], direction),
        torch.autograd.grad(found, [weight, *features], direction),
        strict=True,
    ):
        torch.testing.assert_close(b, a)


def _batch(network: Network, size: tuple[int, int], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = network.shape
    image = torch.randn(3, shape.bands, *size, dtype=torch.float64, generator=generator)
    return image, torch.randint(0, shape.classes, (3, *size), generator=generator)


def _step(network: Network, memory: ExecutionMode, image: Tensor, target: Tensor) -> Tensor:
    logits = executor(network, memory)(image)
    torch.autograd.backward(F.cross_entropy(logits, target))
    return logits.detach()


def _gradients(network: Network) -> dict[str, Tensor]:
    return {n: p.grad for n, p in network.named_parameters() if p.grad is not None}


def _saved(network: Network, memory: ExecutionMode, image: Tensor) -> int:
    run = executor(network, memory)
    saved = SavedBytes(network)
    with saved.counted():
        run(image)
    return saved.total
