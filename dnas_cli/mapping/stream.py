"""A scene through a network, one row of windows after the other, in bounded memory.

Between two rows of windows only their shared rows are kept, as class probabilities; all other rows
are finished and yielded before the next row of windows. So memory grows with the width of a scene
and not with its height.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dnas_cli.errors import DnasError
from dnas_cli.mapping.blending import Blend, MapRows
from dnas_cli.mapping.map_options import Views
from dnas_cli.mapping.views import mean_probabilities
from dnas_cli.mapping.window_batches import window_batches
from dnas_cli.mapping.windows import WindowGrid, finished_ends
from dnas_cli.scenes.clip import Clip
from dnas_cli.scenes.normalisation import AsStored, Normalisation
from dnas_cli.scenes.pixels import Pixels

Network = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Predictor:
    """A network with its input and its settings.

    Attributes:
        network: (N, B, H, W) float32 normalised -> (N, classes, H, W) logits.
        classes: Number of classes.
        normalisation: From stored band values to network input.
        batch: Windows per forward pass.
        views: Of each window, to average over.
        dtype: What the network computes in.
    """

    network: Network
    classes: int
    normalisation: Normalisation | AsStored
    device: torch.device
    batch: int = 1
    views: Views = "plain"
    dtype: torch.dtype = torch.float32


def rows_of_windows(height: int, grid: WindowGrid) -> int:
    """Return the number of rows of windows over a scene."""
    return len(grid.spans(height))


def stream_map(
    scene: Pixels,
    predictor: Predictor,
    grid: WindowGrid,
    first_row: int = 0,
    with_probabilities: bool = False,
    window_done: Callable[[int], None] = lambda count: None,
    clip: Clip | None = None,
    end_row: int | None = None,
    with_certainty: bool = False,
) -> Iterator[MapRows]:
    """Map a scene and yield its rows from top to bottom, every row once.

    Args:
        scene: Open with the bands in the network's order.
        first_row: The rows above it are finished; it must be the end of rows of an earlier call.
        with_probabilities: Also yield the probability of every class.
        window_done: Called with the number of windows as they are done.
        clip: What is to be mapped; all of the scene when missing.
        end_row: Stop at this end of rows of an earlier call; at the scene's when missing.
        with_certainty: Also yield entropy and margin.

    Raises:
        DataError: The scene is damaged.
        DnasError: The device has too little memory.
    """
    # Start with the previous row of windows, for the shared rows.
    ends = finished_ends(grid.spans(scene.height), scene.height)
    begin = ends.index(first_row) if first_row else 0
    size = (scene.height, scene.width)
    kept = (with_probabilities, with_certainty)
    blend = Blend(grid, *size, predictor.classes, predictor.device, *kept)
    for batch in window_batches(scene, predictor.normalisation, grid, predictor.batch, begin, clip):
        finished = blend.add(batch, probabilities(predictor, batch.images))
        window_done(len(batch.has_data))
        if finished is not None and finished.row >= first_row and finished.classes.size:
            yield finished
            if finished.row + len(finished.classes) == end_row:
                return


@torch.inference_mode()
def probabilities(predictor: Predictor, images: npt.NDArray[np.float32]) -> torch.Tensor:
    """Return class probabilities (n, C, H, W) float32 of normalised images.

    Raises:
        DnasError: The device has too little memory.
    """
    if not len(images):
        return torch.empty((0, predictor.classes, *images.shape[2:]), device=predictor.device)
    try:
        batch = torch.from_numpy(images)
        if predictor.device.type == "cuda":  # from pinned memory, the copy waits for nothing
            batch = batch.pin_memory()
        batch = batch.to(predictor.device, non_blocking=True).to(predictor.dtype)
        shares = mean_probabilities(predictor.network, batch, predictor.views)
    except torch.OutOfMemoryError as error:
        raise DnasError(
            f"{predictor.device}: too little memory for {len(images)} windows of "
            f"{images.shape[-1]} pixels at once.",
            "Give a smaller batch or window.",
        ) from error
    assert shares.shape[1] == predictor.classes
    return shares
