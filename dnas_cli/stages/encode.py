"""Encoding: a stage's search space, derived from the coding decoded before it."""

from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.files import remove_leftovers
from dnas_cli.run.branch import branch
from dnas_cli.run.directory import Run, check_stage, create_run, is_run, open_run
from dnas_cli.run.lock import stage_lock
from dnas_cli.run.manifest import WIDTHS, StageRecord, is_width
from dnas_cli.space.coding import SearchSpace, first_space, second_space, third_space
from dnas_cli.space.lattice import MAX_LAYERS
from dnas_cli.tiles.tile_set import TileSet, open_tile_set


def encode(
    root: Path,
    stage: int,
    tiles: Path | None = None,
    layers: int | None = None,
    width: int | None = None,
    overwrite: bool = False,
    branch_to: Path | None = None,
) -> Run:
    """Write the search space of a stage into a run; stage 1 creates the run.

    Args:
        root: The run directory.
        stage: 1, 2 or 3.
        tiles: The tile set; stage 1 of a new run needs it.
        layers: Layers of the lattice (stage 1 only).
        width: Channels of the finest scale (stage 1 only).
        overwrite: Replace a space that exists.
        branch_to: Take over the finished stages into this new run and encode there.

    Raises:
        UsageError: An argument does not belong to the stage.
        RunStateError: The space exists with other content, or later stages were built on it.
        DataError: The coding before is missing, or the tile set cannot be used.
    """
    check_stage(stage)
    if branch_to is not None:
        return encode(
            branch(open_run(root), branch_to, stage - 1, stage - 1).root,
            stage,
            None,
            layers,
            width,
        )
    if stage > 1:
        if tiles is not None or layers is not None or width is not None:
            raise UsageError(
                f"--data, --layers and --width belong to stage 1, not to stage {stage}.",
                "Branch and encode stage 1 there to change them.",
            )
        run = open_run(root)
        space = second_space(run.path()) if stage == 2 else third_space(run.connections())
    else:
        run = _run_for_first_stage(root, tiles, layers, width, overwrite)
        space = first_space(run.manifest.layers)
    _write_space(run, space, overwrite)
    return run


def linked_tile_set(run: Run) -> TileSet:
    """Open a run's tile set and check that it is the one that the run began with.

    Raises:
        DataError: It is not there, or its content has changed.
    """
    link = run.manifest.tile_set
    try:
        tiles = open_tile_set(run.tile_set_path)
    except DataError as error:
        raise DataError(
            f"{run.root}: its tile set cannot be opened. {error.what}",
            f"Put it back at {run.tile_set_path}, or correct tile_set.path in "
            f"{run.root / 'run.json'}.",
        ) from error
    if tiles.fingerprint != link.fingerprint:
        raise DataError(
            f"{run.tile_set_path}: is not the tile set that {run.root} began with; its content "
            "has changed.",
            "Restore it, or begin a new run with it.",
        )
    return tiles


def _run_for_first_stage(
    root: Path, tiles: Path | None, layers: int | None, width: int | None, overwrite: bool
) -> Run:
    check_size(layers, width)
    if not is_run(root):
        if tiles is None:
            raise UsageError(
                f"{root}: is no run yet, and a new run needs its tile set.",
                "Name it with --data TILES.",
            )
        opened = open_tile_set(tiles)
        for split in ("train", "val"):
            opened.split(split)  # raises when a search could not work on it
        return create_run(root, tiles, opened.fingerprint, layers or 12, width or 40)
    run = open_run(root)
    if tiles is not None and open_tile_set(tiles).fingerprint != run.manifest.tile_set.fingerprint:
        raise RunStateError(
            f"{root}: was begun with another tile set ({run.tile_set_path}).",
            "Begin a new run for other data.",
        )
    wanted = (layers or run.manifest.layers, width or run.manifest.width)
    present = (run.manifest.layers, run.manifest.width)
    if wanted != present:
        begun = run.record("stage1")
        if begun is not None and begun.phase != "encoded":
            raise RunStateError(
                f"{root}: was begun with {present[0]} layers and width {present[1]}.",
                f"Branch: dnas encode {root} --stage 1 --branch NEW_RUN "
                f"--layers {wanted[0]} --width {wanted[1]}",
            )
        if begun is not None and not overwrite:
            raise RunStateError(
                f"{root}: is encoded with {present[0]} layers and width {present[1]}.",
                "Give --overwrite to encode it anew, or --branch NEW_RUN.",
            )
        run.set_network(*wanted)
    return run


def check_size(layers: int | None, width: int | None) -> None:
    """Refuse a size that no network can have; None means not given.

    Raises:
        UsageError: It is one.
    """
    if layers is not None and not 2 <= layers <= MAX_LAYERS:
        raise UsageError(f"--layers {layers}: must be from 2 to {MAX_LAYERS}.")
    if width is not None and not is_width(width):
        raise UsageError(f"--width {width}: must be {WIDTHS}.")


def _write_space(run: Run, space: SearchSpace, overwrite: bool) -> None:
    path, name = run.coding_path(f"stage{space.stage}"), f"stage{space.stage}"
    if path.is_file():
        if SearchSpace.read(path).hash == space.hash:
            logger.info("%s: stage %d is encoded already.", run.root, space.stage)
            if run.record(name) is None:  # killed before it was recorded
                run.set_record(name, StageRecord("encoded"))
            return
        record = run.record(name)
        if record is not None and record.phase != "encoded":
            raise RunStateError(
                f"{path}: another space was searched here already.",
                f"Branch: dnas encode {run.root} --stage {space.stage} --branch NEW_RUN",
            )
        if not overwrite:
            raise RunStateError(
                f"{path}: exists with other content.",
                "Give --overwrite to encode it anew, or --branch NEW_RUN.",
            )
    with stage_lock(run, name):
        remove_leftovers(path.parent, path.name)
        space.write(path)
        run.set_record(name, StageRecord("encoded"))
