"""Validation during training: the score of a network on the validation split."""

from collections.abc import Callable, Sequence

import torch

from dnas_cli.console import progress
from dnas_cli.evaluation.tiles import evaluate_tiles
from dnas_cli.metrics import ConfusionMatrix, Metrics
from dnas_cli.nets.network import Network
from dnas_cli.run.settings import TrainingSettings
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.training.ranks import Ranks

_BATCHES = 8  # that a process scores between two moments at which all processes agree


def validator(
    network: Network,
    tiles: TileSet,
    device: torch.device,
    settings: TrainingSettings,
    ranks: Ranks | None = None,
    on_scored: Callable[[ConfusionMatrix], None] = lambda matrix: None,
) -> Callable[[Callable[[], None]], Metrics | None]:
    """Return the function that scores a network on the validation split.

    Every process scores a part, in batches that do not depend on how many processes there are, and
    the counts are summed. The function calls its argument now and then, at the same moments in all
    processes; an exception in that call ends the validation.

    Args:
        network: The network.
        tiles: The tile set.
        device: Where the network is.
        settings: Batch and shards.
        ranks: The processes; this one alone when missing.
        on_scored: Called with the confusion matrix of each validation.
    """
    group = ranks or Ranks()

    def validate(check_interruption: Callable[[], None]) -> Metrics | None:
        refs, bands = tiles.split("val"), tuple(range(len(tiles.bands)))
        matrix = ConfusionMatrix(len(tiles.classes))
        network.eval()
        try:
            with progress("validation", len(refs), "tile") as advance:

                def score(part: Sequence[TileRef], advanced: Callable[[int], None]) -> None:
                    matrix.merge(
                        evaluate_tiles(
                            network, tiles.normalisation, tiles, "val", device, bands,
                            settings.batch, advanced, refs=part,
                        )
                    )  # fmt: skip

                if settings.shards == 1:

                    def advanced(count: int) -> None:
                        advance(count)
                        check_interruption()

                    score(refs, advanced)
                else:
                    size = _BATCHES * settings.batch
                    parts = [refs[start : start + size] for start in range(0, len(refs), size)]
                    for start in range(0, len(parts), group.count):
                        together = parts[start : start + group.count]
                        for part in together[group.number :][:1]:
                            score(part, lambda count: None)
                        advance(sum(map(len, together)))
                        check_interruption()
        finally:
            network.train()
        matrix.counts = group.total(matrix.counts)
        matrix.unpredicted = group.total(matrix.unpredicted)
        on_scored(matrix)
        return matrix.metrics() if matrix.pixels else None

    return validate
