"""Starting a run with its tile set, and opening both again."""

import shlex
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.run.directory import Run, create_run, is_run, open_run
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.tile_set import TileSet


def existing_run(root: Path, tiles: Path | None) -> Run | None:
    """Open the run at `root`; None if it does not exist.

    Args:
        tiles: Its expected tile set; None for any.

    Raises:
        RunStateError: The run has another tile set.
        DataError: The run or the tile set cannot be read.
    """
    if not is_run(root):
        return None
    run = open_run(root)
    if tiles is not None and open_tile_set(tiles).fingerprint != run.manifest.tile_set.fingerprint:
        raise RunStateError(
            f"{root}: has another tile set ({run.tile_set_path}).",
            "Leave data=... out, or name a new run.",
        )
    return run


def linked_tile_set(run: Run) -> TileSet:
    """Open a run's tile set and check that it is unchanged since the run started.

    Raises:
        DataError: It is missing, or its content has changed.
    """
    try:
        tiles = open_tile_set(run.tile_set_path)
    except DataError as error:
        raise DataError(
            f"{run.root}: its tile set cannot be opened. {error.what}",
            f"Restore it at {run.tile_set_path}, or say where it is now: dnas status "
            f"{shlex.quote(str(run.root))} --data TILES",
        ) from error
    if tiles.fingerprint != run.manifest.tile_set.fingerprint:
        raise DataError(
            f"{run.tile_set_path}: is not the tile set that {run.root} started with; its content "
            "has changed.",
            "Restore it, or start a new run with it.",
        )
    return tiles


def relink_tile_set(run: Run, tiles: Path) -> None:
    """Store where a run's tile set is now.

    Raises:
        DataError: It cannot be read, or is another one.
    """
    opened = open_tile_set(tiles)
    if opened.fingerprint != run.manifest.tile_set.fingerprint:
        raise DataError(
            f"{tiles}: is not the tile set that {run.root} started with.",
            "Name the one that was moved.",
        )
    run.set_tile_set(opened.root)
    logger.info("%s: has its tile set at %s.", run.root, opened.root)


def new_tile_set(root: Path, tiles: Path | None) -> TileSet:
    """Open the tile set of a new run, and check that it can be trained on.

    Raises:
        UsageError: None is given.
        DataError: It cannot be read, or has no tiles for training or validation.
    """
    if tiles is None:
        raise UsageError(
            f"{root}: is not a run, and a new run needs its tile set.",
            "Name it with data=TILES.",
        )
    opened = open_tile_set(tiles)
    for split in ("train", "val"):
        opened.split(split)  # raises if it cannot be trained on
    return opened


def begin_run(root: Path, tiles: TileSet, layers: int, width: int) -> Run:
    """Create a run directory for a tile set and a size of the network.

    Raises:
        RunStateError: `root` exists.
    """
    return create_run(root, tiles.root, tiles.fingerprint, layers, width)
