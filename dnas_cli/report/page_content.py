"""What the page of a run shows beside the run's own files: looked up or measured where possible."""

from dnas_cli.console import logger, progress
from dnas_cli.errors import DataError, DnasError
from dnas_cli.evaluation.evaluation import Evaluation, band_positions
from dnas_cli.evaluation.tile_scores import (
    best_median_worst,
    predict_examples,
    score_tiles,
)
from dnas_cli.files import read_json
from dnas_cli.model.model_file import load_model
from dnas_cli.nets.cost import count_nodes
from dnas_cli.nets.device import resolve_device
from dnas_cli.nets.network import NetworkShape
from dnas_cli.report.run_page import PageContent
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.lists import SPLITS
from dnas_cli.tiles.showcase import LabelledTile, rare_classes_first
from dnas_cli.tiles.tile_set import TileSet

_EXAMPLES = 3  # of each kind
_LABELS = 6  # tiles of each split


def page_content(
    run: Run, split: str = "test", device: str = "auto", look: bool = True
) -> PageContent:
    """Gather what a page shows; what a half-done run does not have is left out.

    Args:
        run: The run.
        split: The split that the model is looked at on.
        device: Where the model runs.
        look: Run the model on the split; without, the page has no tiles of it.
    """
    tiles = _tiles(run)
    evaluation = _evaluation(run, split)
    content = PageContent(
        tiles=tiles,
        evaluation=evaluation,
        labels={}
        if tiles is None
        else {
            split: rare_classes_first(tiles, split, _LABELS)
            for split in SPLITS
            if tiles.count(split)
        },
        arithmetic={} if tiles is None else _arithmetic(run, tiles),
    )
    if tiles is None or not look or not run.model_path.is_file() or not tiles.count(split):
        return content
    where = resolve_device(device)
    model = load_model(run.model_path, where)
    bands = band_positions(model.facts, tiles, str(run.model_path))
    with progress(f"the {split} split", tiles.count(split), "tile") as advance:
        scores = score_tiles(model, tiles, split, where, bands, advance)
    examples = {
        kind: predict_examples(model, tiles, chosen, where, bands)
        for kind, chosen in best_median_worst(scores.tiles, _EXAMPLES).items()
        if chosen
    }
    return PageContent(
        tiles, content.evaluation, scores, examples, content.labels, content.arithmetic
    )


def _tiles(run: Run) -> TileSet | None:
    try:
        return open_tile_set(run.tile_set_path)
    except DataError as error:
        logger.warning("the page shows no tiles: %s", error.what)
        return None


def _evaluation(run: Run, split: str) -> Evaluation | None:
    path = run.evaluation_folder / f"{split}.json"
    if not path.is_file() or split in run.outdated_evaluations():
        return None
    try:
        return Evaluation.from_json(read_json(path), str(path))
    except DnasError as error:
        logger.warning("the page shows no figures: %s", error.what)
        return None


def _labels(tiles: TileSet) -> dict[str, list[LabelledTile]]:
    filled = [split for split in SPLITS if tiles.count(split)]
    return {split: rare_classes_first(tiles, split, _LABELS) for split in filled}


def _arithmetic(run: Run, tiles: TileSet) -> dict[str, float]:
    path = run.coding_path(CODINGS[3])
    if not path.is_file():
        return {}
    coding = ArchitectureCoding.read(path)
    shape = NetworkShape(run.manifest.width, len(tiles.bands), len(tiles.classes))
    counts = count_nodes(coding, shape, tiles.tile_size, tiles.tile_size)
    total = sum(counts.values())
    return {key: count / total for key, count in counts.items()}
