"""Starting a stage over: what it wrote goes, what it was derived from stays."""

import shutil

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.manifest import StageRecord


def clear_stage(run: Run, stage: int) -> None:
    """Remove the search of a stage and its coding, so that it can start over.

    Raises:
        RunStateError: Later stages were built on it.
    """
    name = f"stage{stage}"
    if run.has_after(stage):
        raise RunStateError(
            f"{run.root}: later stages were built on stage {stage}; starting it over would orphan "
            "them.",
            f"Branch: dnas search {run.root} --stage {stage} --branch NEW_RUN",
        )
    run.coding_path(CODINGS[stage]).unlink(missing_ok=True)
    run.set_record(name, StageRecord("encoded"))
    if run.stage_folder(name).is_dir():
        shutil.rmtree(run.stage_folder(name))
        logger.info("%s: stage %d starts over.", run.root, stage)


def clear_retraining(run: Run) -> None:
    """Remove the retraining and its model, so that it can start over."""
    run.set_record("retrain", StageRecord("encoded"))
    run.model_path.unlink(missing_ok=True)
    if run.stage_folder("retrain").is_dir():
        shutil.rmtree(run.stage_folder("retrain"))
        logger.info("%s: retraining starts over.", run.root)
