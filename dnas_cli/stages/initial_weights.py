"""Weights that a retraining begins with, where that is not from scratch."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dnas_cli.console import logger
from dnas_cli.errors import DataError, UsageError
from dnas_cli.files import file_hash
from dnas_cli.model.model_file import load_model
from dnas_cli.model.provenance import Provenance
from dnas_cli.nets.network import Network
from dnas_cli.run.directory import Run
from dnas_cli.run.settings import RetrainSettings
from dnas_cli.training.stage_files import StageFiles, load_checkpoint

SCRATCH, SUPERNET = "scratch", "supernet"


def initialise(network: Network, run: Run, settings: RetrainSettings) -> None:
    """Give a derived network the weights that its settings name; from scratch, leave it alone.

    Tensors go by name and shape: an edge's operators of stage 3's supernet are those of the derived
    network. A head for other classes or channels stays fresh, and so do cells that are not there.

    Raises:
        DataError: The checkpoint or model is missing or damaged.
        UsageError: None of its cells fits.
    """
    if settings.init == SCRATCH:
        return
    if settings.init == SUPERNET:
        path = StageFiles(run.stage_folder("stage3")).last
        state = load_checkpoint(path).get("network")
    else:
        path = Path(settings.init)
        state = load_model(path, torch.device("cpu")).network.state_dict()
    if not isinstance(state, Mapping):
        raise DataError(f"{path}: does not hold the weights of a network.")
    own = network.state_dict()
    taken = {key: state[key] for key, value in own.items() if _fits(state.get(key), value)}
    cells = [key for key in taken if key.startswith("cells.")]
    if not cells:
        raise UsageError(
            f"init={settings.init}: no cell of {path} fits the network.",
            "It needs the same connections and width; start from scratch otherwise.",
        )
    network.load_state_dict(taken, strict=False)
    logger.info("%s: %d of %d tensors start as in %s.", run.root, len(taken), len(own), path)


def origin(run: Run, settings: RetrainSettings) -> Provenance:
    """Return what a model file says of its initial weights; nothing where they were random."""
    if settings.init == SCRATCH:
        return {}
    if settings.init == SUPERNET:
        return {"initial_weights": "stage 3", "initial_space": run.space(3).hash}
    path = Path(settings.init)
    found = file_hash(path) if path.is_file() else ""
    return {"initial_weights": path.name, "initial_hash": found}


def _fits(found: object, wanted: Tensor) -> bool:
    """Whether a tensor can take a place; counters of batches, which fit anywhere, say nothing."""
    if not isinstance(found, Tensor) or not wanted.ndim:
        return False
    return found.shape == wanted.shape and found.dtype == wanted.dtype
