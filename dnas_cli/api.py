"""The Python door: the functions behind the command line.

`import dnas_cli as dnas` offers these names, and loads each at its first use.
"""

from collections.abc import Callable
from pathlib import Path

from dnas_cli import file_kinds
from dnas_cli.errors import DataError
from dnas_cli.report.known_files import Facts, KnownFile


def info(path: str | Path) -> KnownFile:
    """Return the kind and the facts of a file or folder.

    Args:
        path: A run, tile set, coding, evaluation, model, checkpoint, or anything that GDAL reads.

    Returns:
        Its kind, and facts with `to_json`.

    Raises:
        DataError: It is damaged, or of an unknown kind.
    """
    kind = file_kinds.kind_of(Path(path))
    if kind == file_kinds.TORCH:
        raise DataError(
            f"{path}: is an archive of torch, but neither a model nor a checkpoint of dnas.",
            "`dnas import` reads checkpoints of the first release.",
        )
    if kind in _READERS:
        return KnownFile(str(path), kind, _READERS[kind](Path(path)))
    return KnownFile(str(path), file_kinds.RASTER, _raster(path))


def _raster(path: str | Path) -> Facts:
    from dnas_cli.scenes.facts import raster_facts
    from dnas_cli.scenes.raster import RASTER_SUFFIXES, NotARasterError

    local = Path(path)
    try:
        return raster_facts(str(path))
    except NotARasterError as error:
        if local.suffix.lower() in RASTER_SUFFIXES:
            raise
        kind = "folder" if local.is_dir() else "file"
        raise DataError(
            f"{path}: is a {kind} that nothing here knows: no raster that GDAL reads, and no run, "
            "tile set, coding, model or checkpoint of dnas.",
            "Name a file or folder in it." if local.is_dir() else "",
        ) from error


def _run(path: Path) -> Facts:
    from dnas_cli.report.run_status import read_status
    from dnas_cli.run.directory import open_run

    return read_status(open_run(path))


def _tile_set(path: Path) -> Facts:
    from dnas_cli.tiles.dataset_json import open_tile_set

    return open_tile_set(path)


def _coding(path: Path) -> Facts:
    from dnas_cli.space.coding import read_coding

    return read_coding(path)


def _evaluation(path: Path) -> Facts:
    from dnas_cli.evaluation.evaluation import Evaluation
    from dnas_cli.files import read_json

    return Evaluation.from_json(read_json(path), str(path))


def _model(path: Path) -> Facts:
    from dnas_cli.model.model_summary import read_model_summary

    return read_model_summary(path)


def _checkpoint(path: Path) -> Facts:
    from dnas_cli.training.checkpoint_summary import read_checkpoint_summary

    return read_checkpoint_summary(path)


_READERS: dict[str, Callable[[Path], Facts]] = {
    file_kinds.RUN: _run,
    file_kinds.TILE_SET: _tile_set,
    file_kinds.EVALUATION: _evaluation,
    file_kinds.MODEL: _model,
    file_kinds.CHECKPOINT: _checkpoint,
    **dict.fromkeys(file_kinds.CODINGS.values(), _coding),
}
