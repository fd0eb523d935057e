"""Retraining that begins with weights: of the supernet, or of another model."""

from pathlib import Path

import torch

from dnas_cli.model.model_file import load_model
from dnas_cli.space.random_architectures import random_architectures
from tests.support.command_line import dnas
from tests.support.same_bits import same_tensors
from tests.support.small_runs import HEAD
from tests.support.stopping_steps import stopped_after

# A rate so small that weights stay what they were.
STILL = ("--epochs", 1, "--batch", 4, "--learning-rate", 1e-12, "--final-learning-rate", 1e-12)
CPU = torch.device("cpu")


def test_a_network_begins_with_its_own_cells_of_the_supernet(
    designed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    dnas("retrain", designed, "--branch", run, "--init", "supernet", *HEAD, *STILL)
    supernet = torch.load(run / "search/stage3/last.pt", weights_only=True)["network"]
    model = load_model(run / "model.pt", CPU)
    weights = [name for name, _ in model.network.named_parameters()]
    assert all(name.startswith(("stem.", "cells.", "head.")) for name in weights)
    for name, value in model.network.named_parameters():
        torch.testing.assert_close(value.detach(), supernet[name], rtol=0, atol=1e-6)
    assert model.facts.provenance["initial_weights"] == "stage 3"


def test_a_network_begins_with_another_model_and_keeps_a_fresh_head_where_it_differs(
    tiny_tiles: Path, tmp_path: Path
) -> None:
    architecture, first = tmp_path / "architecture.json", tmp_path / "first"
    next(random_architectures(3, 1)).write(architecture)
    begin = ("--architecture", architecture, "--data", tiny_tiles, "--width", 4)
    dnas("retrain", first, *begin, *HEAD, "--epochs", 1, "--batch", 4)
    second = tmp_path / "second"
    dnas("retrain", second, *begin, "--init", first / "model.pt", "--head", 6, *STILL)
    old, new = (load_model(run / "model.pt", CPU).network for run in (first, second))
    before = dict(old.named_parameters())
    for name, value in new.named_parameters():
        if name.startswith("head."):
            assert value.shape != before[name].shape or name == "head.6.bias"
        else:
            torch.testing.assert_close(value, before[name], rtol=0, atol=1e-6)
    provenance = load_model(second / "model.pt", CPU).facts.provenance
    assert provenance["initial_weights"] == "model.pt"
    assert "not trained from scratch" in dnas("baseline", second, code=3).stderr
    assert str(provenance["initial_hash"]).startswith("sha256:")


def test_weights_that_fit_nowhere_are_refused(tiny_tiles: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 2)):
        next(random_architectures(3, seed)).write(tmp_path / f"{name}.json")
    begin = ("--data", tiny_tiles, *HEAD, "--epochs", 1, "--batch", 4)
    architecture = ("--architecture", tmp_path / "one.json")
    dnas("retrain", tmp_path / "run", *architecture, "--width", 4, *begin)
    model = ("--init", tmp_path / "run/model.pt")
    wider = dnas("retrain", tmp_path / "wide", *architecture, "--width", 8, *begin, *model, code=2)
    assert "no cell" in wider.stderr
    missing = ("--init", tmp_path / "missing.pt", "--width", 4)
    dnas("retrain", tmp_path / "none", *architecture, *begin, *missing, code=4)


def test_stopped_and_resumed_the_bits_are_the_same(designed: Path, tmp_path: Path) -> None:
    settings = ("--init", "supernet", *HEAD, "--epochs", 3, "--batch", 2)
    dnas("retrain", designed, "--branch", tmp_path / "whole", *settings)
    run = tmp_path / "run"
    with stopped_after(5):
        always = ("--checkpoint-every", 0)
        dnas("retrain", designed, "--branch", run, *settings, *always, code=130)
    dnas("retrain", run)
    assert same_tensors(run / "retrain/last.pt", tmp_path / "whole/retrain/last.pt")
