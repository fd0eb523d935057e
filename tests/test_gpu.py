"""On a GPU (`make gpu`): the same bits, the same numbers, bounded memory, no waiting.

`DNAS_GPU_TESTS=cpu` runs the same code on a CPU, on small sizes.
"""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.gpu import MODES, STAGES, peak_mb, steps_of, take
from benchmarks.measuring import builders
from dnas_cli.mapping.mapper import MapSettings, load_mapper
from dnas_cli.nets.device import half_precision
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.network import Network, NetworkShape, build_derived, build_supernet
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.nets.training_pass.executor import executor
from dnas_cli.space.coding import first_space, second_space, third_space
from dnas_cli.training.precision import Precision
from tests.support.command_line import dnas
from tests.support.same_bits import differences
from tests.support.small_codings import ARCHITECTURE, CONNECTIONS, PATH
from tests.support.small_models import write_model
from tests.support.small_runs import RETRAIN, SEARCH, first_search
from tests.support.stopping_steps import stopped_after

pytestmark = pytest.mark.gpu

ON_CPU = os.environ.get("DNAS_GPU_TESTS") == "cpu"
if not (ON_CPU or torch.cuda.is_available()):
    pytest.skip("there is no GPU", allow_module_level=True)

DEVICE = torch.device("cpu" if ON_CPU else "cuda")
SHAPE = NetworkShape(8, 4, 5, dropout=(0.0, 0.0), head=16)
BUILT: dict[str, Callable[..., Network]] = {
    "stage 1": lambda shape=SHAPE: build_supernet(first_space(3), shape),
    "stage 2": lambda shape=SHAPE: build_supernet(second_space(PATH), shape),
    "stage 3": lambda shape=SHAPE: build_supernet(third_space(CONNECTIONS), shape),
    "retrain": lambda shape=SHAPE: build_derived(ARCHITECTURE, shape),
}


@pytest.fixture(autouse=True)
def _whole_precision() -> Iterator[None]:
    """Let float32 be float32: by default a GPU rounds products to 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def test_every_stage_killed_and_resumed_ends_with_the_same_bits(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    same = ("--device", DEVICE, "--deterministic", "--workers", 0)
    for name, steps in (("whole", 10**9), ("killed", 3)):
        run = tmp_path / name
        commands = [
            (*first_search(run, tiny_tiles), *same),
            ("decode", run, "--stage", 1),
            ("search", run, "--stage", 2, *SEARCH, *same),
            ("decode", run, "--stage", 2),
            ("search", run, "--stage", 3, *SEARCH, *same),
            ("decode", run, "--stage", 3),
            ("retrain", run, *RETRAIN, *same),
        ]
        for command in commands:
            if steps < 10**9 and command[0] != "decode":
                with stopped_after(steps):
                    dnas(*command, "--checkpoint-every", 0, code=130)
            dnas(*command)
    assert not differences(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stage", STAGES)
def test_replayed_steps_train_as_others_do(stage: str, mode: ExecutionMode) -> None:
    losses, weights = [], []
    for replay in (False, True):
        torch.manual_seed(0)
        network = BUILT[stage](replace(SHAPE, dropout=(0.5, 0.1))).to(DEVICE)
        steps = steps_of(network, 64, DEVICE, mode, replay)
        losses.append([float(loss) for loss in take(steps, 6)])
        weights.append(torch.cat([item.detach().flatten() for item in network.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    moved = (weights[0] - weights[1]).norm() / weights[0].norm()
    assert float(moved) < 0.01


def _computed(network: Network, mode: ExecutionMode, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    logits = executor(network.train(), mode)(image)
    network.zero_grad()
    logits.square().mean().backward()  # type: ignore[no-untyped-call]
    return logits.detach(), [p.grad.clone() for p in network.weights() if p.grad is not None]


@pytest.mark.parametrize("stage", STAGES)
def test_all_ways_to_run_a_network_agree(stage: str) -> None:
    torch.manual_seed(0)
    network = BUILT[stage]().to(DEVICE)
    image = torch.randn(2, 4, 64, 64, device=DEVICE)
    exact, gradients = _computed(copy.deepcopy(network).double(), "plain", image.double())
    for mode in MODES:
        found, others = _computed(copy.deepcopy(network).double(), mode, image.double())
        torch.testing.assert_close(found, exact, rtol=1e-8, atol=1e-8)
        for one, other in zip(gradients, others, strict=True):
            torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-8)
        found, _ = _computed(copy.deepcopy(network), mode, image)
        torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-3)
    with torch.inference_mode():
        torch.testing.assert_close(
            fold(network)(image), network.eval()(image), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_mixed_precision_stays_within_its_bounds(half: torch.dtype) -> None:
    torch.manual_seed(0)
    network = BUILT["retrain"]().to(DEVICE).train()
    image = torch.randn(2, 4, 64, 64, device=DEVICE)
    exact, gradients = _computed(network, "fast", image)
    precision = Precision(DEVICE, half)
    network.zero_grad()
    with precision.autocast():
        logits = executor(network, "fast")(image)
    precision.backward(logits.float().square().mean())
    shares, found = exact.softmax(1), logits.detach().float().softmax(1)
    assert float((found - shares).abs().mean()) < 0.01
    assert float((found.argmax(1) == shares.argmax(1)).float().mean()) > 0.97
    whole = torch.cat([item.flatten() for item in gradients])
    mixed = torch.cat([p.grad.flatten() for p in network.weights() if p.grad is not None])
    assert float(torch.cosine_similarity(whole, mixed, 0)) > 0.99  # whatever the loss's scale


def test_maps_in_sixteen_bits_are_close_to_those_in_thirty_two(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.pt")
    scene = np.random.default_rng(0).integers(0, 256, (3, 200, 150)).astype(np.uint8)
    mapper = load_mapper(path, str(DEVICE), MapSettings(batch=4))
    assert mapper.dtype == (half_precision(DEVICE) or torch.float32)
    found = mapper.predict(scene)
    exact = load_mapper(path, "cpu", MapSettings(batch=4)).predict(scene)
    assert float((found == exact).mean()) > 0.98


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("mode", "most"), [("fast", 4000), ("low", 2000)])
def test_the_papers_settings_fit_a_small_gpu(stage: str, mode: ExecutionMode, most: int) -> None:
    network = builders("L14")[stage]().to(DEVICE)
    steps = steps_of(network, 32 if ON_CPU else 512, DEVICE, mode)
    peak_mb(DEVICE)  # resets the peak
    take(steps, 1 if ON_CPU else 3)
    assert peak_mb(DEVICE) < most


@contextmanager
def _waiting_is_an_error() -> Iterator[None]:
    if ON_CPU:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stage", STAGES)
def test_no_step_waits_for_the_device(stage: str, mode: ExecutionMode) -> None:
    steps = steps_of(BUILT[stage]().to(DEVICE), 64, DEVICE, mode)
    take(steps, 4)  # makes what is kept for later steps, and the recording
    with _waiting_is_an_error():
        take(steps, 2)
