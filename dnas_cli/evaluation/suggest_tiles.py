"""From scenes to a file of the tiles to label next."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dnas_cli.claimed_outputs import claim_outputs
from dnas_cli.console import logger
from dnas_cli.errors import UsageError
from dnas_cli.evaluation.tile_choice import choose, rarity_of, score_of
from dnas_cli.evaluation.tile_survey import survey
from dnas_cli.files import write_csv
from dnas_cli.mapping.find_scenes import find_scenes
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.open_scene import SceneReading, refuse_unknown_resolution
from dnas_cli.model.model_file import Model
from dnas_cli.scenes.layer_files import SUFFIXES
from dnas_cli.scenes.polygons import require_libraries
from dnas_cli.scenes.window_polygons import write_windows


@dataclass(frozen=True)
class SuggestedTile:
    """A tile to label.

    Attributes:
        rank: From 1.
        row: First pixel row of the tile in its scene.
        column: First pixel column.
        entropy: Mean over the pixels of the entropy of their probabilities, 0 to 1.
        rarity: Of its classes; see `rarity_of`.
        distance: To the nearest tile of a smaller rank, in standardised features of the network;
            None for the first.
        score: Of entropy and rarity; see `score_of`.
    """

    rank: int
    scene: str
    row: int
    column: int
    entropy: float
    rarity: float
    distance: float | None
    score: float


@dataclass(frozen=True)
class Suggestion:
    """What to label next.

    Attributes:
        tiles: In the order of their ranks.
        tile_size: Pixels along a side.
        looked_at: Tiles with enough data, of which these are chosen.
        mean_entropy: Over those.
    """

    file: Path
    tiles: tuple[SuggestedTile, ...]
    tile_size: int
    looked_at: int
    mean_entropy: float

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "file": str(self.file)}


def suggest_tiles(
    mapper: Mapper,
    arguments: Sequence[str],
    reading: SceneReading,
    out: Path,
    count: int,
    overwrite: bool = False,
) -> Suggestion:
    """Choose the tiles of scenes to label next, and write them.

    Memory holds some numbers per tile.

    Args:
        arguments: Scenes, as `find_scenes` takes them.
        out: `.gpkg` or `.geojson` for polygons, `.csv` for a table.
        count: Tiles to choose.

    Raises:
        UsageError: The form is unknown, or the model is an ONNX file.
        DataError: A scene cannot be used, or no tile holds enough data.
        RunStateError: The output exists.
        DnasError: A library is missing.
    """
    suffix = out.suffix.lower()
    if suffix not in (*SUFFIXES, ".csv"):
        raise UsageError(f"out={out}: must be a .gpkg, .geojson or .csv.")
    claim_outputs([out], overwrite)
    if suffix in SUFFIXES:
        require_libraries()
    model = mapper.model
    if not isinstance(model, Model):
        raise UsageError(
            f"{mapper.path}: is an ONNX file, which does not give the features of the network.",
            "Give model.pt.",
        )
    refuse_unknown_resolution(model.facts, reading)
    found = survey(model, mapper.device, find_scenes(arguments), reading, suffix in SUFFIXES)
    entropy = np.array([tile.entropy for tile in found])
    rarity = rarity_of(np.stack([tile.shares for tile in found]))
    score = score_of(entropy, rarity)
    chosen = choose(score, np.stack([tile.features for tile in found]), count)
    if len(chosen) < count:
        logger.warning("%s: has %d tiles; there are no more with enough data.", out, len(chosen))
    tiles = tuple(
        SuggestedTile(
            rank,
            found[item.index].scene,
            found[item.index].window.row,
            found[item.index].window.column,
            float(entropy[item.index]),
            float(rarity[item.index]),
            item.distance,
            float(score[item.index]),
        )
        for rank, item in enumerate(chosen, 1)
    )
    columns = {name: [getattr(tile, name) for tile in tiles] for name in vars(tiles[0])}
    if suffix in SUFFIXES:
        places = [(found[item.index].window, found[item.index].place) for item in chosen]
        write_windows(out, places, columns)
    else:
        write_csv(out, [columns, *zip(*columns.values(), strict=True)])
    return Suggestion(out, tiles, model.facts.tile_size, len(found), float(entropy.mean()))
