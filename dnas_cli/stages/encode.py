"""Encoding: a stage's search space, derived from the previous coding."""

from dataclasses import replace
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError, UsageError
from dnas_cli.run.branch import branch
from dnas_cli.run.directory import Run, check_stage, open_run
from dnas_cli.run.lock import beginning, stage_lock
from dnas_cli.run.manifest import StageRecord
from dnas_cli.space.coding import SearchSpace, first_space, second_space, third_space
from dnas_cli.stages.begin_run import begin_run, existing_run, new_tile_set
from dnas_cli.stages.new_run import NewRun, check_size


def encode(
    root: Path,
    stage: int,
    new_run: NewRun | None = None,
    overwrite: bool = False,
    branch_to: Path | None = None,
) -> Run:
    """Write the search space of a stage into a run; stage 1 creates the run.

    Raises:
        UsageError: An argument does not belong to the stage.
        RunStateError: The space exists with other content, or later stages build on it.
        DataError: The previous coding is missing, or the tile set cannot be used.
    """
    check_stage(stage)
    new_run = new_run or NewRun()
    if branch_to is not None:
        child = branch(open_run(root), branch_to, stage - 1, stage - 1)
        return encode(child.root, stage, replace(new_run, data=None))
    if stage == 1:
        with beginning(root):
            return _first_stage(root, new_run, overwrite)
    if new_run != NewRun():
        raise UsageError(
            f"data=..., layers=... and width=... belong to stage 1, not to stage {stage}.",
            "Branch and encode stage 1 there to change them.",
        )
    run = open_run(root)
    space = second_space(run.path()) if stage == 2 else third_space(run.connections())
    _write_space(run, space, overwrite)
    return run


def _first_stage(root: Path, new_run: NewRun, overwrite: bool) -> Run:
    size = new_run.size("paper")  # refuses what no network can have
    run = existing_run(root, new_run.data)
    if run is None:
        run = begin_run(root, new_tile_set(root, new_run.data), *size)
    wanted = (new_run.layers or run.manifest.layers, new_run.width or run.manifest.width)
    check_size(*wanted)
    if wanted != (run.manifest.layers, run.manifest.width):
        _check_change(run, wanted, overwrite)  # or its lock would stop whoever began the run
        with stage_lock(run, "stage1"):  # nothing changes unless all of it can
            run = open_run(root)
            _check_change(run, wanted, overwrite)
            run.set_network(*wanted)
            _replace_space(run, first_space(wanted[0]))
    _write_space(run, first_space(run.manifest.layers), overwrite)
    return run


def _check_change(run: Run, wanted: tuple[int, int], overwrite: bool) -> None:
    present = f"{run.manifest.layers} layers and width {run.manifest.width}"
    record = run.record("stage1")
    if record is not None and record.phase != "encoded":
        raise RunStateError(
            f"{run.root}: is searched with {present}.",
            f"Branch: dnas encode {run.root} --stage 1 --branch NEW_RUN "
            f"--layers {wanted[0]} --width {wanted[1]}",
        )
    if record is not None and not overwrite:
        raise RunStateError(
            f"{run.root}: is encoded with {present}.",
            "Give overwrite=True to encode it again, or branch=NEW_RUN.",
        )


def _write_space(run: Run, space: SearchSpace, overwrite: bool) -> None:
    path, name = run.coding_path(f"stage{space.stage}"), f"stage{space.stage}"
    if path.is_file():
        if SearchSpace.read(path).hash == space.hash:
            logger.info("%s: stage %d is encoded already.", run.root, space.stage)
            if run.record(name) is None:  # a killed command did not record it
                run.set_record(name, StageRecord("encoded"))
            return
        record = run.record(name)
        if record is not None and record.phase != "encoded":
            raise RunStateError(
                f"{path}: another space was already searched here.",
                f"Branch: dnas encode {run.root} --stage {space.stage} --branch NEW_RUN",
            )
        if not overwrite:
            raise RunStateError(
                f"{path}: exists with other content.",
                "Give overwrite=True to encode it again, or branch=NEW_RUN.",
            )
    with stage_lock(run, name):
        _replace_space(run, space)


def _replace_space(run: Run, space: SearchSpace) -> None:
    path = run.coding_path(f"stage{space.stage}")
    space.write(path)
    run.set_record(f"stage{space.stage}", StageRecord("encoded"))
