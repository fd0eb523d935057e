"""Scoring a network on a split of a tile set: every pixel once."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dnas_cli.mapping.map_options import Views
from dnas_cli.mapping.views import mean_probabilities
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.tile_set import TileSet

Tile = tuple[npt.NDArray[Any], npt.NDArray[np.bool_], npt.NDArray[np.uint8]]

_READERS = 4  # threads; rasters are decoded outside the interpreter's lock


def evaluate_tiles(
    network: Callable[[Tensor], Tensor],
    normalisation: Normalisation,
    tiles: TileSet,
    split: str,
    device: torch.device,
    bands: tuple[int, ...],
    batch: int = 4,
    advance: Callable[[int], None] = lambda count: None,
    views: Views = "plain",
    refs: Sequence[TileRef] | None = None,
) -> ConfusionMatrix:
    """Predict whole tiles of a split and compare them with their labels.

    Args:
        network: Maps (N, B, H, W) normalised images to (N, classes, H, W) logits; in eval mode.
        normalisation: Of the network's training.
        split: "train", "val" or "test".
        bands: Positions of the network's bands among the tile set's.
        batch: Largest number of tiles per forward pass; another size starts a new pass.
        advance: Called with the number of tiles after each forward pass.
        views: Of each tile, to average over.
        refs: The tiles; None for all of the split.

    Raises:
        DataError: The split is empty, or a tile cannot be read.
    """
    matrix = ConfusionMatrix(len(tiles.classes))
    refs = tiles.split(split) if refs is None else refs
    for images, labels in normalised_batches(tiles, refs, normalisation, bands, batch):
        with torch.inference_mode():
            shown = images.to(device)
            if views == "plain":
                scores = network(shown)  # a softmax would change no class
            else:
                scores = mean_probabilities(network, shown, views)
            predictions = scores.argmax(1).to(torch.uint8).cpu().numpy()  # (N, H, W)
        matrix.add(labels, predictions)
        advance(len(images))
    return matrix


def normalised_batches(
    tiles: TileSet,
    refs: Sequence[TileRef],
    normalisation: Normalisation,
    bands: tuple[int, ...],
    batch: int,
) -> Iterator[tuple[Tensor, npt.NDArray[np.uint8]]]:
    """Yield normalised images (N, B, H, W) and labels (N, H, W) of whole tiles, in order.

    Args:
        normalisation: Of the network's training.
        bands: Positions of the network's bands among the tile set's.
        batch: Largest number of tiles per batch; another size starts a new batch.

    Raises:
        DataError: A tile cannot be read.
    """
    constants = iter([tiles.normalisation_of(ref, normalisation, bands) for ref in refs])
    for group in _batches(read_ahead(tiles, refs), batch):
        images = np.stack(
            [next(constants).apply(image[list(bands)], valid) for image, valid, _ in group]
        )
        yield torch.from_numpy(images), np.stack([label for _, _, label in group])


def read_ahead(tiles: TileSet, refs: Sequence[TileRef]) -> Iterator[Tile]:
    """Yield image, valid pixels and label of each tile in order, reading some ahead.

    A pixel that several tiles of a split show has a label in the first of them alone.
    """
    waiting: deque[Future[Tile]] = deque()
    # Warning filters belong to the process: threads would undo each other's.
    with without_georeference(), ThreadPoolExecutor(_READERS) as readers:
        try:
            for ref in refs:
                waiting.append(readers.submit(tiles.read_once, ref))
                if len(waiting) > 2 * _READERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(tiles: Iterator[Tile], size: int) -> Iterator[list[Tile]]:
    """Group successive tiles of equal size, at most `size`."""
    group: list[Tile] = []
    for tile in tiles:
        if group and (len(group) == size or tile[0].shape != group[0][0].shape):
            yield group
            group = []
        group.append(tile)
    if group:
        yield group
