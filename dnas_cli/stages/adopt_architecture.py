"""Adopting an architecture file: a run that is retrained without searches of its own."""

from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.lock import beginning, stage_lock
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.stages.begin_run import begin_run, existing_run, new_tile_set


def adopt_architecture(
    root: Path, file: Path, tiles: Path | None, width: int, overwrite: bool = False
) -> Run:
    """Put an architecture coding into a run, and create the run if needed.

    Raises:
        DataError: The coding or the tile set cannot be used.
        RunStateError: The run has searches of its own, or another architecture.
        UsageError: A new run has no tile set.
    """
    coding = ArchitectureCoding.read(file)
    with beginning(root):
        return _adopted(root, coding, file, tiles, width, overwrite)


def _adopted(
    root: Path,
    coding: ArchitectureCoding,
    file: Path,
    tiles: Path | None,
    width: int,
    overwrite: bool,
) -> Run:
    run, layers = existing_run(root, tiles), coding.graph.layers
    if run is None:
        run = begin_run(root, new_tile_set(root, tiles), layers, width)
    path = run.coding_path(CODINGS[3])
    same = path.is_file() and ArchitectureCoding.read(path).body() == coding.body()
    if same and run.manifest.layers == layers:
        return run
    if any(run.record(f"stage{stage}") for stage in CODINGS):
        raise RunStateError(
            f"{root}: has searches of its own, which give another architecture.",
            "Name a new run, and its tile set with data=TILES.",
        )
    if path.is_file() and not same and not overwrite:
        raise RunStateError(
            f"{path}: holds another architecture than {file}.",
            "Name a new run, or give overwrite=True to replace it and retrain from the start.",
        )
    with stage_lock(run, "retrain"):  # only to write: else it would stop whoever adopted the other
        coding.write(path)
        run.set_network(layers, run.manifest.width)  # a kill before it is mended by the next call
    logger.info("%s: has the architecture of %s already.", root, file)
    return run
