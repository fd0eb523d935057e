"""Standard networks beside a found one; what only the real package shows needs it installed."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from dnas_cli.evaluation.baseline_figures import FOUND, Member, compare, read_members
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.report.baseline_table import baseline_text
from dnas_cli.space.random_architectures import random_architectures
from dnas_cli.stages.peers import Peer
from tests.support.command_line import dnas
from tests.support.same_bits import same_tensors
from tests.support.stopping_steps import stopped_after


def _member(name: str, right: int, supernet: float | None = None) -> Member:
    matrix = ConfusionMatrix(2)
    matrix.counts[:] = [[right, 100 - right], [100 - right, right]]
    return Member(name, 0, "test", 10**6, 1, 0.5, {"a": matrix, "b": matrix}, "", supernet)


def test_peers_and_candidates_are_no_random_architectures() -> None:
    peer = "unet:resnet18, equal steps"
    pair = [_member(FOUND, 60, 0.4), _member("random-1", 50)]
    others = [_member(peer, 90), _member("candidate-2", 80, 0.3), _member("candidate-3", 70, 0.2)]
    alone, together = compare(pair), compare([*pair, *others])
    assert (together.random, together.percentile) == (alone.random, alone.percentile)
    assert together.interval == alone.interval
    assert together.peers == {peer: pytest.approx(90 / 110)}
    # Of three pairs the supernet orders one as retraining does: the candidates.
    assert together.supernet_agreement == pytest.approx((1 - 2) / 3)
    text = "\n".join(baseline_text(together, [*pair, *others]))
    assert f"The found network is {90 / 110 - 60 / 140:.4f} below {peer}." in text
    assert "1 random" in text


def _create_model(
    architecture: str, encoder: str, encoder_weights: None, in_channels: int, classes: int
) -> nn.Module:
    """Stand for the package: a network that takes sizes that 32 divides alone."""
    if architecture != "unet":
        raise KeyError(architecture)
    assert encoder_weights is None
    narrow = nn.Sequential(nn.Conv2d(in_channels, 4, 3, 32, 1), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(narrow, nn.Conv2d(4, classes, 1), nn.Upsample(scale_factor=32))


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name, with one small network."""
    module: Any = SimpleNamespace(create_model=_create_model)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", module)


@pytest.mark.usefixtures("package")
def test_a_peer_is_trained_by_the_recipe_and_resumes_with_the_same_bits(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    run, architecture = tmp_path / "run", tmp_path / "architecture.json"
    next(random_architectures(3, 5)).write(architecture)
    settings = ("--head", 4, "--epochs", 2, "--batch", 8, "--width", 2, "--seed", 1)
    dnas("retrain", run, "--architecture", architecture, "--data", tiny_tiles, *settings)
    command = ("baseline", run, "--random", 1, "--seeds", 1, "--peers", "unet:resnet18")
    printed = dnas(*command).stdout
    assert "unet:resnet18, equal steps" in printed
    members = read_members(run / "baseline/results.json")
    assert [item.name for item in members][2:] == ["unet:resnet18, equal steps"]
    assert members[2].parameters == sum(p.numel() for p in Peer("unet:x", 4, 5).parameters())
    place = run / "baseline/unet-resnet18-seed-1-equal-steps"
    whole = place.rename(tmp_path / "whole")
    with stopped_after(3):
        dnas(*command, "--checkpoint-every", 0, code=130)
    assert dnas(*command).stdout == printed
    assert same_tensors(whole / "last.pt", place / "last.pt")
    dnas(*command, "--equal", "time")
    timed = json.loads(
        (run / "baseline/unet-resnet18-seed-1-equal-time/equal-time.json").read_text()
    )
    found, peer = timed["step_seconds"].values()
    assert timed["epochs"] == max(1, round(2 * found / peer))
    assert "above" in dnas("status", run).stdout
    wrong = ("baseline", run, "--random", 1, "--seeds", 1, "--peers")
    assert "is not a network of segmentation-models" in dnas(*wrong, "vit:resnet18", code=2).stderr
    assert "is not architecture:encoder" in dnas(*wrong, "unet", code=2).stderr


def test_without_the_package_its_name_is_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(Exception, match=r"cannot be imported.*\n?.*dnas\[peers\]"):
        Peer("unet:resnet18", 3, 5)


def test_a_real_peer_maps_images_of_any_size() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    peer = Peer("unet:mobilenet_v2", 3, 5).eval()
    with torch.inference_mode():
        assert peer(torch.zeros(1, 3, 40, 65)).shape == (1, 5, 40, 65)
