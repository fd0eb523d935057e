"""What a network makes of the tiles of scenes: a few numbers per tile."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnas_cli.console import logger, progress
from dnas_cli.errors import DataError
from dnas_cli.mapping.image_moments import image_moments
from dnas_cli.mapping.memory import GDAL_CACHE
from dnas_cli.mapping.open_scene import SceneReading, open_scene
from dnas_cli.model.model_file import Model
from dnas_cli.nets.network import Network
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.raster import Raster, Window, block_cache
from dnas_cli.scenes.scene_files import SceneFiles
from dnas_cli.tiles.grid import inside, tile_rows

LEAST_DATA = 0.5  # share of a tile's pixels


@dataclass(frozen=True)
class SurveyedTile:
    """A tile of a scene, without its pixels.

    Attributes:
        window: The part of the tile that lies within the scene.
        place: Of the scene.
        entropy: Mean over the pixels of the entropy of their probabilities, 0 to 1.
        shares: (classes,) mean probability of each class.
        features: (head,) mean of what enters the last layer of the head.
    """

    scene: str
    window: Window
    place: Georeference
    entropy: float
    shares: npt.NDArray[np.float64]
    features: npt.NDArray[np.float64]


def survey_scene(
    model: Model,
    device: torch.device,
    scene: str | SceneFiles,
    reading: SceneReading,
    needs_place: bool,
) -> Iterator[SurveyedTile]:
    """Yield the tiles of a scene that hold enough data, row by row.

    The plain network runs, not the folded one, whose head is one linear map without hidden
    features. Pixels without data do not count.

    Args:
        device: Where the model is.
        needs_place: Refuse a scene whose pixels have no map coordinates.

    Raises:
        DataError: The scene is damaged, has other bands, or no place.
    """
    facts = model.facts
    warn = partial(logger.warning, "%s: %s", scene)
    with block_cache(GDAL_CACHE), open_scene(facts, scene, reading, warn) as raster:
        if needs_place and not raster.georeference.has_map_coordinates:
            raise DataError(
                f"{scene}: has no georeference, so its tiles are no polygons.",
                "Ask for a table of rows and columns: out=todo.csv",
            )
        moments = image_moments(raster) if facts.normalisation.per_image else None
        normalisation = facts.normalisation.of_image(moments)
        rows = tile_rows(raster.height, raster.width, facts.tile_size)
        total = sum(map(len, rows))
        with progress(f"tiles of {raster.path}", total, "tile") as advance:
            for tile in chain.from_iterable(rows):
                window = inside(tile, raster.height, raster.width)
                values, valid = raster.read_with_validity(window)
                if valid.mean() >= LEAST_DATA:
                    image = normalisation.apply(values, valid)
                    numbers = _look(model.network, device, image, valid)
                    yield _surveyed(raster, window, *numbers)
                advance(1)


def _surveyed(raster: Raster, window: Window, entropy: Tensor, *means: Tensor) -> SurveyedTile:
    shares, features = (mean.cpu().double().numpy() for mean in means)
    found = float(entropy)
    if not (math.isfinite(found) and np.isfinite(features).all()):
        raise DataError(
            f"{raster.path}: the model gives no number at row {window.row}, column {window.column}."
        )
    return SurveyedTile(raster.path, window, raster.georeference, found, shares, features)


@torch.inference_mode()
def _look(
    network: Network, device: torch.device, image: npt.NDArray[Any], valid: npt.NDArray[np.bool_]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean entropy (), class shares (classes,) and features (head,) of an image (B, H, W).

    Means are over pixels with data; features are weighted by the share of such pixels.
    """
    inputs: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Tensor]) -> None:
        inputs.append(given[0])

    last: Any = network.head[-1]
    with last.register_forward_pre_hook(keep):
        logits = network(torch.from_numpy(image)[None].to(device))
    kept = torch.from_numpy(valid).to(device)
    shares = logits[0].softmax(0)  # (classes, H, W)
    largest = math.log(max(len(shares), 2))
    entropy = -(shares * shares.clamp(min=1e-9).log()).sum(0) / largest
    features = inputs[0][0]  # (head, H/4, W/4)
    height, width = features.shape[-2:]
    weights = F.adaptive_avg_pool2d(kept[None].float(), (height, width))[0]
    mean = (features * weights).sum((1, 2)) / weights.sum()
    return entropy[kept].mean(), shares[:, kept].mean(1), mean


def survey(
    model: Model,
    device: torch.device,
    scenes: Sequence[str | SceneFiles],
    reading: SceneReading,
    needs_place: bool,
) -> list[SurveyedTile]:
    """Return the tiles of all scenes; see `survey_scene`.

    Raises:
        DataError: A scene cannot be used, or no tile holds enough data.
    """
    tiles = [
        tile
        for scene in scenes
        for tile in survey_scene(model, device, scene, reading, needs_place)
    ]
    if not tiles:
        raise DataError(f"{scenes[0]}: no tile holds data in half of its pixels.")
    return tiles
