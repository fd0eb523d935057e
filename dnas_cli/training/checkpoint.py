"""The content of a checkpoint, from training and back into it."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from dnas_cli.errors import MALFORMED, DataError, RunStateError, brief
from dnas_cli.training.progress import Progress
from dnas_cli.training.stage_files import Checkpoint
from dnas_cli.training.steps import Steps


def snapshot(steps: Steps, identity: str, progress: Progress) -> Checkpoint:
    """Return everything that resuming needs.

    Args:
        steps: Network, optimizers, scaler, the average of the weights if one is kept.
        identity: Hash of the space or architecture.
        progress: The position in training.
    """
    return {
        "identity": identity,
        "position": asdict(progress),
        "network": steps.network.state_dict(),
        "optimizers": {name: item.state_dict() for name, item in steps.optimizers.items()},
        "scaler": steps.precision.state(),
        "random": random_state(steps.device),
        "average": None if steps.average is None else steps.average.state_dict(),
    }


def restore(content: Checkpoint | None, steps: Steps, identity: str, name: str) -> Progress | None:
    """Restore a checkpoint and return its progress; None if there is none.

    Raises:
        RunStateError: It belongs to another space or architecture.
        DataError: Its content is invalid.
    """
    if content is None:
        return None
    if content.get("identity") != identity:
        raise RunStateError(
            f"{name}: belongs to another space or architecture.",
            "Start the stage over with restart=True and overwrite=True, or give branch=NEW_RUN.",
        )
    try:
        steps.network.load_state_dict(content["network"])
        for key, optimizer in steps.optimizers.items():
            fused = optimizer.defaults["fused"]
            optimizer.load_state_dict(content["optimizers"][key])
            for group in optimizer.param_groups:  # it may be of another kind of device
                group["fused"] = fused
            _check_shapes(optimizer)
        steps.precision.load(content["scaler"])
        if steps.average is not None:
            steps.average.load_state_dict(content["average"] or {})
        set_random_state(content["random"], steps.device)
        progress = Progress.from_json(content["position"])
    except (*MALFORMED, RuntimeError) as error:
        raise DataError(f"{name}: is not a valid checkpoint ({brief(error)}).") from error
    return progress


def _check_shapes(optimizer: Optimizer) -> None:
    """Check that an optimizer's state of a parameter has the parameter's shape."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for value in optimizer.state.get(parameter, {}).values():
                if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                    raise ValueError("an optimizer's state is of another shape")


def random_state(device: torch.device) -> dict[str, Any]:
    """Return torch's random states; sampling and augmentation are functions of (seed, epoch).

    That of other devices stays out: the next machine may have fewer of them.
    """
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put random states back, as far as the checkpoint has them for this kind of device."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and (cuda := _of_device(state.get("cuda"), device)) is not None:
        torch.cuda.set_rng_state(cuda, device)
    if device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def _of_device(cuda: Any, device: torch.device) -> Any:
    """Return the state of a GPU; earlier checkpoints hold a list of those of all GPUs."""
    if not isinstance(cuda, list):
        return cuda
    index = device.index or 0
    return cuda[index] if index < len(cuda) else None
