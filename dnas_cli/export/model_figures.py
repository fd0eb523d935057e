"""What is known of a model beyond its file: its figures, and the tile set it learnt from."""

from pathlib import Path

from dnas_cli.errors import DataError, DnasError
from dnas_cli.evaluation.evaluation import Evaluation
from dnas_cli.json_files import read_json
from dnas_cli.run.directory import is_run, open_run
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.tile_set import TileSet

_FIGURES = ("test-scenes.json", "test.json")  # by scene first: they have intervals


def data_of(model: Path) -> TileSet | None:
    """Return the tile set of a model that lies in its run; none where either is missing."""
    if not is_run(model.parent):
        return None
    try:
        return open_tile_set(open_run(model.parent).tile_set_path)
    except DnasError:
        return None


def evaluation_of(model: Path, model_hash: str, figures: Path | None) -> Evaluation | None:
    """Return the figures of a model: those of a file, or of its run.

    Args:
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
