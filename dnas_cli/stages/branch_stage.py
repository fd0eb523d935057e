"""Branching before a stage, as encode, search and retrain do."""

from dnas_cli.errors import UsageError
from dnas_cli.run.branch import branch
from dnas_cli.run.directory import Run
from dnas_cli.stages.decode import check_epoch, decode
from dnas_cli.stages.stage_options import StageOptions


def branch_before(parent: Run, options: StageOptions, stage: int) -> Run:
    """Copy all stages before a stage into a new run; retraining counts as stage 4.

    With `at_epoch`, the previous stage is decoded from that epoch of its search, so its coding may
    differ from the parent's.

    Raises:
        UsageError: There is no previous stage to decode, or no such epoch.
        RunStateError: An earlier stage is not finished, or the target exists.
    """
    assert options.branch is not None
    if options.at_epoch is None:
        return branch(parent, options.branch, stage - 1, stage - 1)
    if stage == 1:
        raise UsageError("at_epoch=...: stage 1 has no previous search.")
    epoch = str(options.at_epoch)
    check_epoch(parent, stage - 1, epoch, "at_epoch")
    child = branch(parent, options.branch, stage - 1, stage - 2)
    run, _ = decode(child.root, stage - 1, {"epoch": epoch})
    return run
