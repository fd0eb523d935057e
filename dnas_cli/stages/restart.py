"""Starting a stage over: what it wrote goes, what it was derived from stays.

The stage's folder is moved aside first and removed last. As long as it is there, starting over is
not complete: a command that finds it completes that before anything else.
"""

import shlex
import shutil
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.manifest import StageRecord


def check_restart(run: Run, name: str) -> None:
    """Refuse to start over what other stages were built on.

    Raises:
        RunStateError: Later stages were built on it.
    """
    if run.has_after(name):
        raise RunStateError(
            f"{run.root}: later stages were built on {name}; starting it over would orphan them.",
            f"Branch: dnas search {shlex.quote(str(run.root))} --stage {name[-1]} --branch NEW_RUN",
        )


def start_over(run: Run, name: str) -> None:
    """Remove what a stage has learned, and its coding or model, so that it can start over.

    Raises:
        DnasError: Something cannot be removed; the same command goes on.
    """
    folder, waste = run.stage_folder(name), _waste(run, name)
    if not folder.is_dir():
        return
    try:
        folder.rename(waste)
    except OSError as error:
        raise _cannot_remove(folder, error) from error
    logger.info("%s: %s starts over.", run.root, name)
    complete_restart(run, name)


def complete_restart(run: Run, name: str) -> None:
    """Complete a restart that was cut short; nothing to do when there was none."""
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
