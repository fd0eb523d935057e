"""Restarting a stage: its results are removed, its search space stays.

The stage's folder is moved aside first and removed last. As long as it exists, the restart is not
complete: a command that finds it completes the restart first.
"""

import shlex
import shutil
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.manifest import StageRecord


def check_restart(run: Run, name: str) -> None:
    """Refuse to restart a stage that later stages build on.

    Raises:
        RunStateError: Later stages build on it.
    """
    if run.has_after(name):
        raise RunStateError(
            f"{run.root}: later stages build on {name}; a restart would orphan them.",
            f"Branch: dnas search {shlex.quote(str(run.root))} --stage {name[-1]} --branch NEW_RUN",
        )


def start_over(run: Run, name: str) -> None:
    """Remove the training of a stage, and its coding or model, so that it can restart.

    Raises:
        DnasError: A file cannot be removed; the same command resumes the removal.
    """
    folder, waste = run.stage_folder(name), _waste(run, name)
    if not folder.is_dir():
        if run.record(name) is not None:
            run.set_record(name, StageRecord("encoded"))
        return
    try:
        folder.rename(waste)
    except OSError as error:
        raise _cannot_remove(folder, error) from error
    logger.info("%s: %s restarts.", run.root, name)
    complete_restart(run, name)


def complete_restart(run: Run, name: str) -> None:
    """Complete an interrupted restart, if there is one."""
    waste = _waste(run, name)
    if not waste.is_dir():
        return
    result = run.model_path if name == "retrain" else run.coding_path(CODINGS[int(name[-1])])
    try:
        result.unlink(missing_ok=True)
        run.set_record(name, StageRecord("encoded"))
        shutil.rmtree(waste)
    except OSError as error:
        raise _cannot_remove(waste, error) from error


def _waste(run: Run, name: str) -> Path:
    return run.stage_folder(name).with_name(f".{name}.discarded")


def _cannot_remove(path: Path, error: OSError) -> DnasError:
    return DnasError(f"{path}: cannot be removed ({error.strerror}).", "Make it writable.")
