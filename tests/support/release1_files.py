"""Files as the first release wrote them, made from the golden values."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dnas_cli.nets.network import Network, NetworkShape, build_derived
from dnas_cli.release1.codings import Release1Coding
from dnas_cli.release1.tensor_names import release1_keys
from dnas_cli.space.coding import ArchitectureCoding


def golden_arrays(golden: Path, name: str) -> dict[str, Any]:
    """Return the arrays of a golden network."""
    with np.load(golden / f"{name}.npz") as archive:
        return dict(archive)


def golden_state(golden: Path, name: str) -> dict[str, torch.Tensor]:
    """Return the state dict of a golden network, under the first release's keys."""
    return {
        key.removeprefix("state/"): torch.from_numpy(array)
        for key, array in golden_arrays(golden, name).items()
        if key.startswith("state/")
    }


def write_codings(folder: Path, golden: Path, name: str = "retrain_L5") -> tuple[Path, Path]:
    """Write the two coding files of a golden network."""
    data = golden_arrays(golden, name)
    paths = (folder / "third_connect.npy", folder / "cell_operations.npy")
    np.save(paths[0], data["connections"])
    np.save(paths[1], data["cell_operations"].astype(np.float32))
    return paths


def write_checkpoint(path: Path, state: dict[str, Any], legacy: bool = False, **more: Any) -> Path:
    """Write a checkpoint `{epoch, state_dict, optimizer, best_pred}`, best_pred a NumPy number."""
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], 0.1, momentum=0.9)
    weight.grad = torch.ones(2)
    optimizer.step()
    content = {
        "epoch": 38,
        "state_dict": state,
        "optimizer": optimizer.state_dict(),
        "best_pred": np.float64(0.75),
        **more,
    }
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def rename_in_pickle(path: Path, old: bytes, new: bytes) -> None:
    """Replace a name in the pickle of a checkpoint, as another NumPy would have written it."""
    with zipfile.ZipFile(path) as archive:
        items = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for filename, content in items:
            if filename.endswith("data.pkl"):
                assert old in content
                content = content.replace(old, new)
            archive.writestr(filename, content)


def raw_network(coding: Release1Coding, shape: NetworkShape) -> Network:
    """Build the network that the first release runs: with cells that lead to no output."""
    graph = coding.executed
    operators = tuple(coding.operators[node] for node in graph.nodes)
    return build_derived(ArchitectureCoding(graph, operators), shape)


def random_state(coding: Release1Coding, shape: NetworkShape) -> dict[str, torch.Tensor]:
    """Return random weights of the first release's network, dead cells included."""
    operators = tuple(coding.operators[node] for node in coding.graph.nodes)
    torch.manual_seed(0)
    network = build_derived(ArchitectureCoding(coding.graph, operators), shape)
    keys = release1_keys(network)
    return {keys[own]: tensor for own, tensor in network.state_dict().items()}
