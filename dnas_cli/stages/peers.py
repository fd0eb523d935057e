"""Standard networks beside a found one, trained by its own recipe: segmentation-models-pytorch."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dnas_cli.console import logger
from dnas_cli.errors import DataError, DnasError, UsageError, brief
from dnas_cli.files import file_hash, make_folder
from dnas_cli.interruption import Interruption
from dnas_cli.json_files import read_json, write_json
from dnas_cli.nets.network import Network
from dnas_cli.run.settings import RetrainSettings
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.model_weights import kept_weights
from dnas_cli.stages.training_setup import RETRAIN_STREAM, seed_everything
from dnas_cli.stages.validation import validator
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.batches import BatchStream
from dnas_cli.training.job import Description, Job
from dnas_cli.training.loop import train
from dnas_cli.training.schedule import Schedule
from dnas_cli.training.stage_files import StageFiles
from dnas_cli.training.steps import WeightSteps

_MULTIPLE = 32  # their encoders halve an image five times
_TIMED_STEPS = 3


class Peer(nn.Module):
    """A network of segmentation-models-pytorch, as training and scoring call one of ours.

    Args:
        name: `architecture:encoder`, as `unet:mobilenet_v2`; weights are random.
        bands: Of the input.
        classes: Of the output.

    Raises:
        DnasError: The package is missing.
        UsageError: It has no such network.
    """

    weighting = None

    def __init__(self, name: str, bands: int, classes: int) -> None:
        super().__init__()
        architecture, encoder = name.split(":")
        try:
            import segmentation_models_pytorch as smp
        except ImportError as error:
            raise DnasError(
                "peers are networks of segmentation-models-pytorch, which cannot be imported "
                f"({brief(error)}).",
                "pip install 'dnas[peers]'",
            ) from error
        try:
            self.network: nn.Module = smp.create_model(
                architecture, encoder, encoder_weights=None, in_channels=bands, classes=classes
            )
        except (KeyError, ValueError, TypeError) as error:
            raise UsageError(
                f"peers={name:.60}: is not a network of segmentation-models-pytorch."
            ) from error

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, B, H, W) to logits (N, classes, H, W), at any size."""
        height, width = image.shape[-2:]
        padded = F.pad(image, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), mode="replicate")
        logits: Tensor = self.network(padded)
        return logits[..., :height, :width]

    def weights(self) -> list[nn.Parameter]:
        """Return its parameters."""
        return list(self.parameters())

    def architecture_logits(self) -> None:
        """Return the architecture logits, of which it has none."""


@dataclass(frozen=True)
class TrainedPeer:
    """A peer with the weights that its recipe keeps.

    Attributes:
        network: In evaluation mode.
        mean_iou: On the validation split.
        epochs: That it was trained for.
        hash: Of its last checkpoint.
    """

    network: Peer
    mean_iou: float | None
    epochs: int
    hash: str


def peer_hash(place: Path) -> str:
    """Return the hash of a peer's last checkpoint; empty if it has none."""
    path = StageFiles(place).last
    return file_hash(path) if path.is_file() else ""


def train_peer(
    name: str,
    place: Path,
    tiles: TileSet,
    settings: RetrainSettings,
    compute: ComputeOptions,
    resume_command: str,
    found: Network | None = None,
) -> TrainedPeer:
    """Train a peer by the recipe of a retraining, and resume that.

    Args:
        name: As `Peer` takes it.
        place: The folder of its checkpoints and history.
        tiles: The tile set.
        settings: Of the retraining.
        compute: Device, workers and the like.
        resume_command: The command that resumes.
        found: The network whose training time it gets; None for as many steps.

    Raises:
        UsageError: A batch of one tile.
        Interrupted: A signal arrived; the next call resumes.
    """
    if settings.batch == 1:
        raise UsageError("batch=1: peers normalise over the batch, which must hold two tiles.")
    device, workers = compute.resolve()
    make_folder(place)
    epochs = _epochs(name, place, tiles, settings, device, found)
    settings = replace(settings, epochs=epochs, shards=1)
    with Interruption() as interruption:
        seed_everything(settings.seed, RETRAIN_STREAM)
        peer = Peer(name, len(tiles.bands), len(tiles.classes)).to(device)
        network = cast(Network, peer)
        pixels = list(tiles.class_pixels("train").values())
        stream = BatchStream(tiles, tiles.split("train"), settings, RETRAIN_STREAM, workers, device)
        job = Job(
            title=name,
            steps=WeightSteps(network, stream, settings, device, pixels, "plain"),
            schedule=Schedule(settings),
            files=StageFiles(place),
            identity=f"peer {name}",
            validate=validator(network, tiles, device, settings),
            describe=lambda: Description({}),
            resume_command=resume_command,
            on_epoch=lambda _: None,
            interruption=interruption,
            checkpoint_every=60 * compute.checkpoint_every,
            may_back_off=compute.on_divergence == "backoff",
        )
        kept = kept_weights(job, train(job), tiles, settings, device)
    peer.load_state_dict(kept.state)
    return TrainedPeer(peer.eval(), kept.mean_iou, settings.epochs, peer_hash(place))


def multiply_accumulates(peer: Peer, bands: int, size: int) -> int:
    """Return what a forward pass over a tile costs."""
    device = next(peer.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        peer.eval()(torch.zeros(1, bands, size, size, device=device))
    return int(flops.get_total_flops() // 2)


def _epochs(
    name: str,
    place: Path,
    tiles: TileSet,
    settings: RetrainSettings,
    device: torch.device,
    found: Network | None,
) -> int:
    """Return the epochs of a peer: those of the recipe, or those that take as long.

    What is measured is kept, so that training resumes with it.
    """
    if found is None:
        return settings.epochs
    path = place / "equal-time.json"
    if not path.is_file():
        peer = Peer(name, len(tiles.bands), len(tiles.classes))
        side = min(settings.crop or tiles.tile_size, tiles.tile_size)
        seconds = [_step_seconds(item, len(tiles.bands), side, settings.batch, device)
                   for item in (found, peer)]  # fmt: skip
        epochs = max(1, round(settings.epochs * seconds[0] / seconds[1]))
        write_json(
            path,
            {"epochs": epochs, "step_seconds": dict(zip(("found", name), seconds, strict=True))},
        )
        logger.info(
            "%s: a step takes %.3f s, one of the found network %.3f s; %d epochs.",
            name, seconds[1], seconds[0], epochs,
        )  # fmt: skip
    content: dict[str, Any] = read_json(path)
    kept = content.get("epochs")
    if not isinstance(kept, int) or kept < 1:
        raise DataError(f"{path}: holds no number of epochs.", "Remove it to measure again.")
    return kept


def _step_seconds(
    network: nn.Module, bands: int, size: int, batch: int, device: torch.device
) -> float:
    """Return the time of a training step: of the processor, or of the clock on a GPU."""
    from dnas_cli.nets.training_pass.executor import executor

    network = network.to(device).train()
    run = executor(network, "fast") if isinstance(network, Network) else network
    image = torch.randn(batch, bands, size, size, device=device)
    clock, taken = (time.process_time if device.type == "cpu" else time.perf_counter), []
    for _ in range(_TIMED_STEPS + 1):
        started = clock()
        loss = run(image).square().mean()
        loss.backward()
        float(loss.detach())  # waits for the device
        taken.append(clock() - started)
        network.zero_grad(set_to_none=True)
    return min(taken[1:])
