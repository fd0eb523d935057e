"""Scoring candidates inside the trained supernet of their logits."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from dnas_cli.console import logger, progress
from dnas_cli.errors import DataError, brief
from dnas_cli.evaluation.tiles import evaluate_tiles, normalised_batches
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.live_network import LiveNetwork
from dnas_cli.nets.network import build_supernet
from dnas_cli.run.directory import Run
from dnas_cli.run.settings import SearchSettings
from dnas_cli.space.coding import Coding
from dnas_cli.stages.begin_run import linked_tile_set
from dnas_cli.stages.training_setup import network_shape
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.averaging import measure_statistics
from dnas_cli.training.batches import halves
from dnas_cli.training.settings_choice import SettingsChoice
from dnas_cli.training.stage_files import StageFiles, load_checkpoint

_STATISTICS, _SCORED = 64, 256  # largest number of tiles per candidate


def scored_candidates(run: Run, stage: int, found: Sequence[Coding], device: str) -> list[Coding]:
    """Return candidates with their mean IoU inside the supernet, the best first.

    The weights are those of the stage's last epoch. Batch statistics are measured on the half of
    the training tiles from which the weights learned, the score on the other half. Of equal scores
    the earlier candidate comes first; the very first is the plain decoding.

    Args:
        run: The run; the stage is searched.
        stage: 1, 2 or 3.
        found: The candidates.
        device: As `resolve_device` takes it.

    Raises:
        DataError: The stage's checkpoint is missing or damaged, or a tile cannot be read.
    """
    where, name, tiles = resolve_device(device), f"stage{stage}", linked_tile_set(run)
    record = run.record(name)
    assert record is not None
    settings = SettingsChoice().resolve(SearchSettings, record.settings)
    space = run.space(stage)
    network = build_supernet(space, network_shape(tiles, run.manifest.width, settings))
    path = StageFiles(run.stage_folder(name)).last
    try:
        network.load_state_dict(load_checkpoint(path)["network"])
    except (KeyError, RuntimeError) as error:
        raise DataError(f"{path}: does not hold the stage's supernet ({brief(error)}).") from error
    network.to(where)
    a, b = halves(tiles.split("train"), settings.seed)
    scored = []
    with progress("candidates", len(found)) as advance:
        for coding in found:
            live = LiveNetwork(network, coding)
            score = _score(live, tiles, a, b, where, settings.batch)
            scored.append(replace(coding, score=score))
            advance(1)
    ordered = sorted(scored, key=lambda coding: -(coding.score or 0.0))
    logger.info(
        "%s: stage %d, %d candidates score %.4f to %.4f; the plain decoding scores %.4f.",
        run.root,
        stage,
        len(scored),
        ordered[-1].score,
        ordered[0].score,
        scored[0].score,
    )
    return ordered


def _score(
    network: LiveNetwork,
    tiles: TileSet,
    a: Sequence[TileRef],
    b: Sequence[TileRef],
    device: torch.device,
    batch: int,
) -> float:
    bands, by = tuple(range(len(tiles.bands))), tiles.normalisation
    images = normalised_batches(tiles, a[:_STATISTICS], by, bands, batch)
    measure_statistics(network, (image.to(device) for image, _ in images if len(image) > 1))
    scored = b[:_SCORED]
    matrix = evaluate_tiles(network, by, tiles, "train", device, bands, batch, refs=scored)
    return matrix.metrics().mean_iou if matrix.pixels else 0.0
