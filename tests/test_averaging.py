"""The moving average of a network's weights, and the model that gets it."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from dnas_cli.model.model_file import load_model
from dnas_cli.training.averaging import DECAY, measure_statistics, moving_average
from tests.support.command_line import dnas
from tests.support.random_networks import random_network
from tests.support.small_codings import ARCHITECTURE
from tests.support.small_runs import RETRAIN


def test_the_average_forgets_its_beginning_quickly_and_steps_slowly() -> None:
    network = random_network("derived", 0)
    weight = next(network.parameters())
    average = moving_average(network)
    kept, expected = next(average.module.parameters()), torch.empty(0)
    for step in range(30):
        with torch.no_grad():
            weight.fill_(step)
        average.update_parameters(network)
        decay = min(DECAY, (1 + step) / (10 + step))
        value = torch.full_like(weight, step)
        expected = value if step == 0 else decay * expected + (1 - decay) * value
    torch.testing.assert_close(kept.detach(), expected)
    assert 15 < float(kept.flatten()[0].detach()) < 29


@pytest.mark.parametrize("seed", range(3))
def test_statistics_are_the_means_over_batches(seed: int) -> None:
    """Measured on one batch, evaluation gives what training mode gives on it."""
    network = random_network("derived", seed).float()  # dropout is off
    batch = torch.randn(4, network.shape.bands, 64, 64)
    measure_statistics(network, [batch, batch])
    assert not any(module.training for module in network.modules())
    first = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert first.momentum == 0.1
    stem = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        convolved = stem(batch)
    assert first.running_mean is not None
    assert first.running_var is not None
    torch.testing.assert_close(first.running_mean, convolved.mean((0, 2, 3)))
    torch.testing.assert_close(first.running_var, convolved.var((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_a_model_gets_the_averaged_weights_and_statistics_of_training_tiles(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, coding = tmp_path / "run", tmp_path / "architecture.json"
    ARCHITECTURE.write(coding)
    begin = ("--architecture", coding, "--data", tiny_tiles, "--width", 4, "--keep", "average")
    result = dnas("retrain", run, *begin, *RETRAIN)
    assert "averaged weights, val mIoU" in result.stderr

    model = load_model(run / "model.pt", torch.device("cpu"))
    last = torch.load(run / "retrain/last.pt", weights_only=True)
    names = [name for name, _ in model.network.named_parameters()]
    state = model.network.state_dict()
    assert all(torch.equal(state[name], last["average"][f"module.{name}"]) for name in names)
    assert not any(torch.equal(state[name], last["network"][name]) for name in names)
    means = [name for name in state if name.endswith("running_mean")]
    assert not any(torch.equal(state[name], last["network"][name]) for name in means)

    dnas("eval", run, "--split", "val", "--device", "cpu")
    scored = json.loads((run / "eval/val.json").read_text())["metrics"]["mean_iou"]
    assert model.facts.provenance["val_mean_iou"] == pytest.approx(scored, abs=1e-3)
    assert model.facts.provenance["epoch"] == 2
    assert "epoch 2, averaged weights, val mIoU" in dnas("info", run / "model.pt").stdout
