"""What the page of a run shows beside the run's own files: looked up or measured where possible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dnas_cli.console import logger, progress
from dnas_cli.errors import DataError, DnasError
from dnas_cli.evaluation.baseline_figures import (
    Comparison,
    Member,
    baseline_path,
    read_comparison,
    read_members,
)
from dnas_cli.evaluation.evaluation import Evaluation, band_positions
from dnas_cli.evaluation.reduced_scene import look_at_scene
from dnas_cli.evaluation.tile_scores import (
    Look,
    SceneTiles,
    TileScore,
    TileScores,
    best_median_worst,
    by_scene,
    look_at_tiles,
    score_tiles,
)
from dnas_cli.json_files import read_json
from dnas_cli.model.cost import ModelCost, cost_of_model
from dnas_cli.model.model_file import load_model
from dnas_cli.nets.cost import count_nodes
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.network import NetworkShape
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.drift import Drift, drift
from dnas_cli.tiles.footprints import SceneFootprint, scene_footprints
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.showcase import LabelledTile, rare_classes_first
from dnas_cli.tiles.tile_set import TileSet

SIDE = 208  # pixels of a picture on the page
_TILES, _SCENES = 3, 1  # examples of each kind
_LABELS = 5  # tiles of each split

Kind = Literal["best", "median", "worst"]


@dataclass(frozen=True)
class Example:
    """A tile or scene to look at.

    Attributes:
        kind: What it is an example of.
        score: How the model does on it.
        look: What it looks like.
    """

    kind: str
    score: TileScore | SceneTiles
    look: Look


@dataclass(frozen=True)
class PageContent:
    """What a page shows beside the run's own files; what is missing is left out.

    Attributes:
        split: The split that the model is looked at on.
        tiles: The run's tile set.
        evaluation: Figures on the split's tiles.
        of_scenes: Figures on its whole scenes.
        scores: The split tile by tile.
        tile_examples: Its best, median and worst tiles.
        scene_examples: Its best, median and worst scenes.
        labels: Tiles of each split with their labels.
        cost: Of the model.
        arithmetic: Share of the derived network's arithmetic in each node, by the node's key.
        members: Networks of the baseline.
        comparison: What they say together.
        footprints: Where scenes lie.
        drift: How far the other splits are from the training split.
    """

    split: str
    tiles: TileSet | None = None
    evaluation: Evaluation | None = None
    of_scenes: Evaluation | None = None
    scores: TileScores | None = None
    tile_examples: Sequence[Example] = ()
    scene_examples: Sequence[Example] = ()
    labels: Mapping[str, Sequence[LabelledTile]] = field(default_factory=dict)
    cost: ModelCost | None = None
    arithmetic: Mapping[str, float] = field(default_factory=dict)
    members: Sequence[Member] = ()
    comparison: Comparison | None = None
    footprints: Sequence[SceneFootprint] = ()
    drift: Mapping[str, Drift] = field(default_factory=dict)


def page_content(
    run: Run, split: str = "test", device: str = "auto", look: bool = True
) -> PageContent:
    """Gather what a page shows; what a half-done run does not have is left out.

    Args:
        run: The run.
        split: The split that the model is looked at on.
        device: Where the model runs.
        look: Open tiles, and run the model on the split.
    """
    baseline = baseline_path(run.root)
    members = [member for member in read_members(baseline) if member.split == split]
    content = PageContent(
        split,
        _tiles(run),
        _evaluation(run, split),
        _evaluation(run, f"{split}-scenes"),
        members=members,
        comparison=read_comparison(baseline) if members else None,
    )
    tiles = content.tiles
    if tiles is None:
        return content
    content = replace(content, arithmetic=_arithmetic(run, tiles))
    if not look:
        return content
    filled = [name for name in SPLITS if tiles.count(name)]
    content = replace(
        content,
        labels={name: rare_classes_first(tiles, name, _LABELS) for name in filled},
        footprints=scene_footprints(tiles),
        drift={name: drift(tiles, name) for name in filled if name != "train"},
    )
    if not run.model_path.is_file() or not tiles.count(split):
        return content
    return _with_examples(content, run, tiles, device)


def _with_examples(content: PageContent, run: Run, tiles: TileSet, device: str) -> PageContent:
    """Run the model on the split, tile by tile."""
    split, where = content.split, resolve_device(device)
    model = load_model(run.model_path, where)
    bands = band_positions(model.facts, tiles, str(run.model_path))
    with progress(f"the {split} split", tiles.count(split), "tile") as advance:
        scores = score_tiles(model, tiles, split, where, bands, advance)
    tile_examples = [
        Example(kind, score, look)
        for kind, chosen in best_median_worst(scores.tiles, _TILES, fewest=0.5).items()
        for score, look in zip(
            chosen,
            look_at_tiles(model, tiles, [score.ref for score in chosen], where, bands),
            strict=True,
        )
    ]
    scene_examples, scenes = [], by_scene(scores.tiles)
    for kind, found in best_median_worst(scenes, _SCENES).items():
        for scene in found:
            # A pixel of several tiles counts in the first, which is drawn last.
            refs = [tile.ref for tile in scene.tiles[::-1]]
            looks = look_at_tiles(model, tiles, refs, where, bands)
            look = look_at_scene(tiles, refs, looks, SIDE)
            if look is not None:
                scene_examples.append(Example(kind if len(scenes) > 1 else "only", scene, look))
    return replace(
        content,
        scores=scores,
        tile_examples=tile_examples,
        scene_examples=scene_examples,
        cost=cost_of_model(model),
    )


def _tiles(run: Run) -> TileSet | None:
    try:
        return open_tile_set(run.tile_set_path)
    except DataError as error:
        logger.warning("the page shows no tiles: %s", error.what)
        return None


def _evaluation(run: Run, name: str) -> Evaluation | None:
    path = run.evaluation_folder / f"{name}.json"
    if not path.is_file() or name in run.outdated_evaluations():
        return None
    try:
        return Evaluation.from_json(read_json(path), str(path))
    except DnasError as error:
        logger.warning("the page shows no figures: %s", error.what)
        return None


def _arithmetic(run: Run, tiles: TileSet) -> dict[str, float]:
    path = run.coding_path(CODINGS[3])
    if not path.is_file():
        return {}
    coding = ArchitectureCoding.read(path)
    record = run.record("retrain")
    width = int(record.settings.get("width", 0)) if record else 0
    shape = NetworkShape(width or run.manifest.width, len(tiles.bands), len(tiles.classes))
    counts = count_nodes(coding, shape, tiles.tile_size, tiles.tile_size)
    total = sum(counts.values())
    return {key: count / total for key, count in counts.items()}
