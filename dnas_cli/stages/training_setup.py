"""What the training of a stage starts from: shape, seed and steps, checked to be able to train."""

import random

import numpy as np
import torch

from dnas_cli.console import logger
from dnas_cli.container import usable_processors
from dnas_cli.errors import UsageError
from dnas_cli.nets.network import Network, NetworkShape
from dnas_cli.nets.operators import GlobalAveragePool
from dnas_cli.nets.training_pass.execution_mode import ExecutionMode
from dnas_cli.run.settings import RetrainSettings, SearchSettings, TrainingSettings
from dnas_cli.space.lattice import scale_sizes
from dnas_cli.stages.fitting_mode import step_size
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.batches import BatchStream, halves
from dnas_cli.training.cost_penalty import CostPenalty
from dnas_cli.training.ranks import joined_ranks
from dnas_cli.training.steps import SearchSteps, Steps, WeightSteps

RETRAIN_STREAM = 3  # separates the randomness of the retraining from that of the searches


def network_shape(tiles: TileSet, width: int, settings: TrainingSettings) -> NetworkShape:
    """Return the shape of a network for a tile set."""
    return NetworkShape(width, len(tiles.bands), len(tiles.classes), head=settings.head)


def training_steps(
    network: Network,
    tiles: TileSet,
    settings: TrainingSettings,
    device: torch.device,
    workers: int,
    mode: ExecutionMode,
    penalty: CostPenalty | None = None,
) -> Steps:
    """Return the steps of a search or of the retraining, by the kind of the settings.

    Raises:
        UsageError: A batch needs more tiles.
    """
    train, pixels = tiles.split("train"), list(tiles.class_pixels("train").values())
    if isinstance(settings, SearchSettings):
        a, b = (
            BatchStream(tiles, half, settings, stream, workers, device)
            for stream, half in enumerate(halves(train, settings.seed))
        )
        return SearchSteps(network, (a, b), settings, device, pixels, mode, penalty)
    assert isinstance(settings, RetrainSettings)
    stream = BatchStream(tiles, train, settings, RETRAIN_STREAM, workers, device)
    return WeightSteps(network, stream, settings, device, pixels, mode)


def check_batch(settings: TrainingSettings, network: Network, tile_size: int) -> None:
    """Refuse a batch that cannot train a network.

    Raises:
        UsageError: A batch or shard of one tile leaves a single value per channel to normalise
            over.
    """
    if settings.shard_size > 1:
        return
    given, least = f"batch={settings.batch}", 2 * settings.shards
    if settings.shards > 1:
        given += f" shards={settings.shards}"
    remedy = f"Give batch={least} or more"
    if any(isinstance(module, GlobalAveragePool) for module in network.modules()):
        raise UsageError(
            f"{given}: global_average_pool normalises over the tiles of a "
            f"{'shard' if settings.shards > 1 else 'batch'}, which must hold two.",
            f"{remedy}.",
        )
    size = step_size(settings, tile_size)
    stem = -(-size // 4)
    coarsest = max(node.scale for node in network.graph.nodes)
    if scale_sizes(stem, stem)[coarsest] == (1, 1):
        raise UsageError(
            f"{given}: the coarsest maps of tiles of {size} px have one pixel, and batch "
            "normalisation needs two values.",
            f"{remedy}, or larger tiles.",
        )


def check_ranks(settings: TrainingSettings) -> None:
    """Refuse more processes than shards.

    Raises:
        UsageError: More processes train than there are shards.
    """
    count = joined_ranks().count
    if count > settings.shards:
        raise UsageError(
            f"shards={settings.shards}: {count} processes train, and each needs a shard.",
            f"Give shards={count} or more, or start fewer processes.",
        )


def shard_threads(settings: TrainingSettings) -> int:
    """Return how many threads compute a shard on a CPU; 0 for as many as there are.

    The number changes how sums round, so that it depends on the shards and not on the processes.
    """
    return max(1, usable_processors() // settings.shards) if settings.shards > 1 else 0


def warn_crop_beyond_tiles(settings: TrainingSettings, tile_size: int) -> None:
    """Warn of crops of another size than the tiles of the validation.

    On a small map the outer weights of a wide convolution see nothing but padding and never learn;
    on a larger one they act at random, up to a dozen pixels of the coarsest scale from the border.
    """
    if settings.crop > tile_size:
        logger.warning(
            "crop=%d: is larger than the tiles of %d px, which are trained on whole.",
            settings.crop,
            tile_size,
        )
    if 0 < settings.crop < tile_size:
        logger.warning(
            "crop=%d: is smaller than the tiles of %d px of the validation. Wide "
            "convolutions do not learn beyond a crop; tiles of that size are better.",
            settings.crop,
            tile_size,
        )


def seed_everything(seed: int, stream: int) -> None:
    """Seed the randomness outside the sampler: initial weights and logits, dropout."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1)[0]
    torch.manual_seed(int(state))
    random.seed(int(state))
