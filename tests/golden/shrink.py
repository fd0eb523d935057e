"""Makes the small reference networks of this folder from the whole ones of the first release.

    python -m tests.golden.shrink FOLDER

`FOLDER` holds `stage1_L5.npz` and so on; the README beside this file says what is kept.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.support.linear_head import linear_head
from tests.support.release1_files import NETWORKS, reference_network, whole_arrays, whole_state

HERE = Path(__file__).parent
HEAD = "last_conv."
INTERIOR = (slice(9, 55, 3), slice(9, 119, 3))
"""Rows and columns of logits (64 x 128, of 16 x 32) that no border of the head reaches; a third."""


def small_arrays(folder: Path, name: str) -> dict[str, Any]:
    """Return the arrays of a small reference network."""
    whole = whole_arrays(folder, name)
    state = whole_state(whole)
    head = {key: state.pop(key) for key in list(state) if key.startswith(HEAD)}
    kernel, bias = linear_head({key.removeprefix(HEAD): value for key, value in head.items()})
    small: dict[str, Any] = {
        **{
            key: whole[key]
            for key in ("meta", "connections", "cell_operations", "path")
            if key in whole
        },
        "shapes": _shapes(state),
        "tensors": torch.cat([value.flatten() for value in state.values()]).numpy(),
        "head_shapes": _shapes(head),
        "head_kernel": kernel.float().numpy(),
        "head_bias": bias.float().numpy(),
        "eval_logits": whole["eval_logits"][0, :, *INTERIOR],
    }
    if name == "retrain_L5":
        return small | {"image": whole["image"][:1]}
    network = reference_network(whole, state | head).eval()
    with torch.no_grad():
        stem = network.stem(torch.from_numpy(whole["image"][:1]))
    return small | {"stem": stem.numpy()}


def _shapes(state: dict[str, torch.Tensor]) -> Any:
    return np.array(json.dumps({key: list(value.shape) for key, value in state.items()}))


if __name__ == "__main__":
    for network_name in NETWORKS:
        arrays = small_arrays(Path(sys.argv[1]), network_name)
        np.savez_compressed(HERE / f"{network_name}.npz", **arrays)
