"""Files as the first release wrote them, made from its reference values."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dnas_cli.nets.network import (
    HEAD_CHANNELS,
    Network,
    NetworkShape,
    build_derived,
    build_supernet,
)
from dnas_cli.release1.codings import Release1Coding
from dnas_cli.release1.tensor_names import load_release1_state, release1_keys
from dnas_cli.space.coding import ArchitectureCoding, SearchSpace
from dnas_cli.space.lattice import Graph, edge
from dnas_cli.space.operators import OPERATORS

GOLDEN = Path(__file__).parents[1] / "golden"
NETWORKS = ("stage1_L5", "stage2_L5", "stage3_L5", "retrain_L5")
_HEAD = 8  # channels of the heads that are drawn for the reference networks


def golden_arrays(name: str) -> dict[str, Any]:
    """Return the arrays of a reference network."""
    return whole_arrays(GOLDEN, name)


def whole_arrays(folder: Path, name: str) -> dict[str, Any]:
    """Return the arrays of a reference network as the first release wrote it."""
    with np.load(folder / f"{name}.npz") as archive:
        return dict(archive)


def whole_state(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the state dict of a whole reference network."""
    return {
        key.removeprefix("state/"): torch.from_numpy(array)
        for key, array in arrays.items()
        if key.startswith("state/")
    }


def golden_state(name: str) -> dict[str, torch.Tensor]:
    """Return the state dict of a reference network, its head narrow and drawn at random."""
    arrays = golden_arrays(name)
    shapes = json.loads(str(arrays["shapes"]))
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = np.split(arrays["tensors"], np.cumsum(sizes)[:-1])
    state = {
        key: torch.from_numpy(part.reshape(shapes[key]).copy())
        for key, part in zip(shapes, parts, strict=True)
    }
    generator = torch.Generator().manual_seed(0)
    for key, shape in json.loads(str(arrays["head_shapes"])).items():
        narrow = [_HEAD if channels == HEAD_CHANNELS else channels for channels in shape]
        state[key] = torch.rand(narrow, generator=generator)
    return state


def reference_network(arrays: dict[str, Any], state: dict[str, torch.Tensor]) -> Network:
    """Build the network of reference values, its weights loaded as `import` does."""
    meta = json.loads(str(arrays["meta"]))
    graph = Graph(meta["layers"], tuple(edge(tuple(a), tuple(b)) for a, b in arrays["connections"]))
    shape = NetworkShape(
        meta["width"], meta["bands"], meta["classes"], (0.0, 0.0), len(state["last_conv.0.weight"])
    )
    if meta["stage"] == "retrain":
        chosen = arrays["cell_operations"]
        operators = tuple(
            tuple(OPERATORS[k] for k in np.flatnonzero(chosen[node.layer, node.scale]))
            for node in graph.nodes
        )
        network = build_derived(ArchitectureCoding(graph, operators), shape)
    else:
        path = tuple(int(scale) for scale in arrays["path"]) if meta["stage"] == 2 else ()
        network = build_supernet(SearchSpace(meta["stage"], graph, path), shape)
    assert load_release1_state(network, state, "state") == []
    return network


def write_codings(folder: Path) -> tuple[Path, Path]:
    """Write the two coding files of the derived reference network."""
    data = golden_arrays("retrain_L5")
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
