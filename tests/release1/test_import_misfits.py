"""`dnas import` of files that do not fit: each other, their names or a network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.importing import import_model, refused_model
from tests.support.release1_files import GOLDEN, golden_state, write_checkpoint


def test_missing_left_over_and_misshapen_tensors_are_listed(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    state = golden_state("retrain_L5")
    del state["stem1.0.bias"]
    state["cells.9.9.[0 0]._ops.0.0.weight"] = torch.zeros(1)
    state["aux.weight"] = torch.zeros(1)
    state["last_conv.3.weight"] = torch.zeros(8, 8, 1, 1)
    write_checkpoint(files[2], state)
    message = refused_model(files, tmp_path)
    assert "missing (1): stem1.0.bias" in message
    assert "unexpected (2): cells.9.9.[0 0]._ops.0.0.weight, aux.weight" in message
    assert "last_conv.3.weight (8, 8, 1, 1) instead of (8, 8, 3, 3)" in message


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (torch.ones(4, 4).to_sparse(), "more than plain tensors (stem0.0.bias)"),
        (torch.ones(2, device="meta"), "more than plain tensors (stem0.0.bias)"),
        (torch.ones(2, dtype=torch.complex64), "more than plain tensors (stem0.0.bias)"),
        (torch.tensor([1.0, float("nan")]), "not finite numbers (stem0.0.bias)"),
        (torch.tensor([1.0, float("inf")]), "not finite numbers (stem0.0.bias)"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(
    odd: torch.Tensor, expected: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    state = golden_state("retrain_L5")
    assert "stem0.0.bias" in state
    write_checkpoint(files[2], state | {"stem0.0.bias": odd})
    assert expected in refused_model(files, tmp_path)


def test_a_renamed_tensor_is_missing_and_left_over(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    state = golden_state("retrain_L5")
    key = next(key for key in state if key.startswith("cells.4.1.[3 2]"))
    state[key.replace("[3 2]", "[3 3]")] = state.pop(key)
    write_checkpoint(files[2], state)
    message = refused_model(files, tmp_path)
    assert f"missing (1): {key}" in message
    assert "unexpected (1): cells.4.1.[3 3]" in message


def test_codings_of_another_network_are_refused(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    folder = GOLDEN / "published" / "L12"
    others = (folder / "third_connect.npy", folder / "cell_operations.npy", files[2])
    assert "belong together" in refused_model(others, tmp_path)
    mixed = (files[0], folder / "cell_operations.npy", files[2])
    assert "5 layers" in refused_model(mixed, tmp_path)


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 50_000])
def test_a_truncated_checkpoint_is_refused(
    size: int, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    files[2].write_bytes(files[2].read_bytes()[:size])
    assert "damaged" in refused_model(files, tmp_path)


@pytest.mark.parametrize("size", [0, 1, 100, 130, 300])
@pytest.mark.parametrize("which", [0, 1])
def test_a_truncated_coding_is_refused(
    size: int, which: int, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    files[which].write_bytes(files[which].read_bytes()[:size])
    assert files[which].name in refused_model(files, tmp_path)


def test_files_under_a_wrong_name_are_refused(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    connections, operations, checkpoint = files
    text = tmp_path / "notes.npy"
    text.write_text("not an array")
    archive = tmp_path / "archive.npz"
    np.savez(archive, np.load(connections))
    model = tmp_path / "model.pt"
    import_model(files, model)
    for wrong, expected in (
        ((text, operations, checkpoint), "is not a .npy file"),
        ((archive, operations, checkpoint), "is not a .npy file"),
        ((checkpoint, operations, checkpoint), "is not a .npy file"),
        ((operations, connections, checkpoint), "third_connect.npy first"),
        ((connections, connections, checkpoint), "(L, 4, 10)"),
        ((connections, operations, connections), "not a checkpoint"),
        ((connections, operations, text), "not a checkpoint"),
        ((connections, operations, model), "first release"),
        ((connections, operations, tmp_path), "is a folder"),
        ((connections, operations, tmp_path / "none.pth.tar"), "no such file"),
        ((tmp_path / "none.npy", operations, checkpoint), "no such file"),
    ):
        assert expected in refused_model(wrong, tmp_path)


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        (np.zeros((3, 2, 2)), "whole numbers"),
        (np.zeros((0, 2, 2), int), "no connection"),
        (np.zeros((3, 4), int), "(E, 2, 2)"),
        (np.array([[[-1, 0], [4, 0]]] * 2), "twice or more"),
        (np.array([[[3, 0], [4, 7]]]), "not an architecture"),
        (np.array([[[4, 0], [4, 1]]]), "not an architecture"),
        (np.array([[[3, 0], [4, 0]]]), "reaches no node of the last layer"),
    ],
)
def test_connections_that_make_no_network_are_refused(
    connections: Any, expected: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    np.save(files[0], connections)
    assert expected in refused_model(files, tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, "logits"), (float("nan"), "logits"), (0.0, "no operator")]
)
def test_operators_that_are_no_choice_are_refused(
    value: float, expected: str, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    np.save(files[1], np.full((5, 4, 10), value, np.float32))
    assert expected in refused_model(files, tmp_path)


def test_a_dataset_with_other_bands_or_classes_is_refused(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    assert "15 classes" in refused_model(files, tmp_path, "gid15")
    assert "normalisation" in refused_model(files, tmp_path, "fbp")
    three = tmp_path / "three.yaml"
    three.write_text(
        "bands: [red, green, blue]\n"
        "classes: {a: [1, 0, 0], b: [2, 0, 0], c: [3, 0, 0], d: [4, 0, 0], e: [5, 0, 0]}\n"
        "normalisation: {scale: 1, mean: [0, 0, 0], std: [1, 1, 1]}\n"
    )
    assert "3 bands" in refused_model(files, tmp_path, str(three))
