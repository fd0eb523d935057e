"""What is known of a model beyond its file: its figures, and the tile set it learnt from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dnas_cli.errors import DataError, DnasError
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.files import read_json
from dnas_cli.metrics import ConfusionMatrix, Shares
from dnas_cli.run.directory import is_run, open_run
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.lists import SPLITS

_RESAMPLES = 2000
_FIGURES = ("test-scenes.json", "test.json")  # by scene first: they have intervals

Interval = tuple[float, float]


@dataclass(frozen=True)
class SplitCount:
    """A split of the tile set that a model learnt from."""

    name: str
    tiles: int
    scenes: tuple[str, ...]


@dataclass(frozen=True)
class DataFacts:
    """The tile set that a model learnt from."""

    name: str
    fingerprint: str
    splits: tuple[SplitCount, ...]


def data_of(model: Path) -> DataFacts | None:
    """Return the tile set of a model that lies in its run; none where either is missing."""
    if not is_run(model.parent):
        return None
    try:
        tiles = open_tile_set(open_run(model.parent).tile_set_path)
    except DnasError:
        return None
    splits = tuple(SplitCount(split, tiles.count(split), tiles.scenes(split)) for split in SPLITS)
    return DataFacts(tiles.name, tiles.fingerprint, splits)


def evaluation_of(model: Path, model_hash: str, figures: Path | None) -> Evaluation | None:
    """Return the figures of a model: those of a file, or of its run.

    Args:
        model: The model file.
        model_hash: Its SHA-256; figures of other weights are none of it.
        figures: A JSON file that `dnas eval` wrote; looked for in the run when missing.

    Raises:
        DataError: The file is no evaluation, or one of another model.
    """
    folder = model.parent / "eval"
    paths = [figures] if figures else [p for n in _FIGURES if (p := folder / n).is_file()]
    for path in paths:
        evaluation = Evaluation.from_json(read_json(path), str(path))
        if evaluation.subject.model_hash == model_hash:
            return evaluation
        if figures:
            raise DataError(f"{path}: holds the figures of another model.", "Run `dnas eval`.")
    return None


def iou_intervals(scenes: list[ConfusionMatrix]) -> list[Interval | None]:
    """Return 95 % intervals of the IoU of each class by a bootstrap over scenes.

    Pixels of a scene resemble each other, so that an interval from their number would be far too
    small; scenes are what a map of another place is one more of.
    """
    rng = np.random.default_rng(0)
    draws: list[Shares] = []
    for _ in range(_RESAMPLES):
        total = ConfusionMatrix(len(scenes[0].counts))
        for index in rng.integers(0, len(scenes), len(scenes)):
            total.counts += scenes[index].counts
            total.unpredicted += scenes[index].unpredicted
        if total.pixels:
            draws.append(total.metrics().iou)
    result: list[Interval | None] = []
    for values in zip(*draws, strict=True):
        known = [value for value in values if value is not None]
        low, high = np.percentile(known, (2.5, 97.5)) if known else (0.0, 0.0)
        result.append((float(low), float(high)) if known else None)
    return result
