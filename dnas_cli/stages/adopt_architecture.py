"""Adopting an architecture from outside: a run that is retrained without searches of its own."""

from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.run.directory import CODINGS, Run, create_run, is_run, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.tiles.tile_set import open_tile_set


def adopt_architecture(
    root: Path, file: Path, tiles: Path | None, width: int, overwrite: bool = False
) -> Run:
    """Put an architecture coding into a run, and begin the run if it is not there.

    Args:
        root: The run directory.
        file: The architecture coding.
        tiles: The tile set; a new run needs it.
        width: Channels of the finest scale of a new run.
        overwrite: Replace an architecture that was adopted before.

    Raises:
        DataError: The coding or the tile set cannot be used.
        RunStateError: The run has searches of its own, or another architecture.
        UsageError: A new run has no tile set.
    """
    coding = ArchitectureCoding.read(file)
    if not is_run(root):
        if tiles is None:
            raise UsageError(
                f"{root}: is no run yet, and a new run needs its tile set.",
                f"Run: dnas retrain {root} --architecture {file} --data TILES",
            )
        opened = open_tile_set(tiles)
        for split in ("train", "val"):
            opened.split(split)  # raises when a training could not work on it
        run = create_run(root, tiles, opened.fingerprint, coding.graph.layers, width)
    else:
        run = open_run(root)
        _check_tiles(run, tiles)
    path = run.coding_path(CODINGS[3])
    with stage_lock(run, "retrain"):
        if path.is_file() and ArchitectureCoding.read(path).body() == coding.body():
            return run
        if any(run.record(f"stage{stage}") for stage in CODINGS):
            raise RunStateError(
                f"{root}: has searches of its own, which lead to another architecture.",
                "Name a new run, and its tile set with --data.",
            )
        if path.is_file() and not overwrite:
            raise RunStateError(
                f"{path}: holds another architecture than {file}.",
                "Name a new run, or give --overwrite to replace it and retrain from the start.",
            )
        coding.write(path)
        if run.manifest.layers != coding.graph.layers:
            run.set_network(coding.graph.layers, run.manifest.width)
    logger.info("%s: has the architecture of %s.", root, file)
    return run


def _check_tiles(run: Run, tiles: Path | None) -> None:
    if tiles is not None and open_tile_set(tiles).fingerprint != run.manifest.tile_set.fingerprint:
        raise RunStateError(
            f"{run.root}: was begun with another tile set ({run.tile_set_path}).",
            "Leave --data out, or begin a new run.",
        )
