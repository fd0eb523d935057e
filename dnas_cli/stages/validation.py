"""Validation during training: the score of a network on the validation split."""

from collections.abc import Callable

import torch

from dnas_cli.console import progress
from dnas_cli.evaluation.tiles import evaluate_tiles
from dnas_cli.metrics import ConfusionMatrix, Metrics
from dnas_cli.nets.network import Network
from dnas_cli.tiles.tile_set import TileSet


def validator(
    network: Network,
    tiles: TileSet,
    device: torch.device,
    batch: int,
    on_scored: Callable[[ConfusionMatrix], None] = lambda matrix: None,
) -> Callable[[Callable[[], None]], Metrics | None]:
    """Return the function that scores a network on the validation split.

    It calls its argument after each batch; an exception in that call ends the validation.

    Args:
        network: The network.
        tiles: The tile set.
        device: Where the network is.
        batch: Tiles per forward pass.
        on_scored: Called with the confusion matrix of each validation.
    """

    def validate(check_interruption: Callable[[], None]) -> Metrics | None:
        total, bands = len(tiles.split("val")), tuple(range(len(tiles.bands)))
        network.eval()
        try:
            with progress("validation", total, "tile") as advance:

                def advanced(count: int) -> None:
                    advance(count)
                    check_interruption()

                matrix = evaluate_tiles(
                    network, tiles.normalisation, tiles, "val", device, bands, batch, advanced
                )
        finally:
            network.train()
        on_scored(matrix)
        return matrix.metrics() if matrix.pixels else None

    return validate
