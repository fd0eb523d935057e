"""The model file: what it holds reads back, and older files stay readable."""

from pathlib import Path

import torch

from dnas_cli.model.model_file import load_model
from dnas_cli.model.tensor_file import load_tensors, save_tensors
from tests.support.small_models import write_model

CPU = torch.device("cpu")


def test_a_model_knows_the_channels_of_its_head(tmp_path: Path) -> None:
    model = load_model(write_model(tmp_path / "model.pt", head=24), CPU)
    assert model.facts.shape.head == 24
    assert model.network.head[0].out_channels == 24


def test_a_file_that_does_not_name_the_head_has_the_papers(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.pt", head=256)
    content = load_tensors(path)
    del content["facts"]["head"]
    save_tensors(path, content)
    assert load_model(path, CPU).facts.shape.head == 256
