"""Branching: a child run that starts with copies of its parent's finished stages."""

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dnas_cli.console import logger
from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.files import atomic_path, make_folder
from dnas_cli.run.directory import CODINGS, Run, create_run, is_run, link_path, now, open_run
from dnas_cli.run.manifest import Lineage
from dnas_cli.scratch_folder import scratch_folder

_IMMUTABLE = {".pt"}  # replaced whole, never written in place: safe to share as hard links


def branch(parent: Run, target: Path, searched: int, decoded: int) -> Run:
    """Copy finished stages of a run into a new one, with recorded lineage.

    The child appears whole or not at all. An existing child of the same stages of the same parent
    is reused, so that an interrupted command can be repeated.

    Args:
        parent: It does not change.
        target: The new run directory.
        searched: The last stage whose search is copied.
        decoded: The last stage whose coding is copied.

    Raises:
        RunStateError: `target` exists, or one of those stages is not finished.
    """
    _check_finished(parent, searched)
    name = CODINGS[decoded] if decoded == searched and decoded else f"search of stage {searched}"
    lineage = Lineage(link_path(target, parent.root), name if searched else "nothing", now())
    if is_run(target) and _is_that_branch(open_run(target), lineage):
        logger.info("%s: is that branch of %s already; continuing there.", target, parent.root)
        return open_run(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunStateError(f"{target}: exists already.", "Name another run directory.")
    make_folder(target.parent)
    try:
        with scratch_folder(target) as draft:
            _take_over(parent, draft, lineage, searched, decoded)
            draft.replace(target)
    except OSError as error:
        if is_run(target):  # another command made it meanwhile
            return branch(parent, target, searched, decoded)
        raise DnasError(f"{target}: cannot be written ({error.strerror}).") from error
    return open_run(target)


def _check_finished(parent: Run, searched: int) -> None:
    for stage in range(1, searched + 1):
        record = parent.record(f"stage{stage}")
        missing = record is None and not parent.coding_path(CODINGS[stage]).is_file()
        # A stage in work, or extended and not finished, is not what its coding came from.
        if missing or (record is not None and not record.finished):
            raise RunStateError(
                f"{parent.root}: stage {stage} is not finished, so a branch cannot copy it.",
                f"Run: {parent.next_command()}",
            )


def _is_that_branch(child: Run, wanted: Lineage) -> bool:
    found = child.manifest.lineage
    return found is not None and replace(found, created=wanted.created) == wanted


def _take_over(parent: Run, root: Path, lineage: Lineage, searched: int, decoded: int) -> None:
    """Copy stages as they are at one moment.

    Raises:
        RunStateError: They changed meanwhile.
    """
    stages = range(1, searched + 1)
    before = _state(parent, stages)
    try:
        _copy_all(parent, root, lineage, stages, decoded)
    except (DnasError, OSError):
        if _state(open_run(parent.root), stages) == before:
            raise
    if _state(open_run(parent.root), stages) != before:
        raise RunStateError(
            f"{parent.root}: changed while the branch was made.", "Run the command again."
        )


def _state(run: Run, stages: range) -> dict[str, Any]:
    """Return facts that change if a stage changes; other stages may be in use."""
    found: dict[str, Any] = {f"stage{stage}": run.record(f"stage{stage}") for stage in stages}
    for path in _files(run, stages, len(stages)):
        with suppress(OSError):
            facts = path.stat()
            found[str(path)] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return found


def _files(run: Run, stages: range, decoded: int) -> list[Path]:
    """Return the files of stages, with the codings of the first `decoded`."""
    files = [run.coding_path(f"stage{stage}") for stage in stages]
    files += [run.coding_path(CODINGS[stage]) for stage in stages if stage <= decoded]
    if max(CODINGS) in stages and max(CODINGS) <= decoded:
        files.append(run.coding_path("candidates"))
    for stage in stages:
        files += sorted(run.stage_folder(f"stage{stage}").glob("[!.]*"))
    return [path for path in files if path.is_file()]


def _copy_all(parent: Run, root: Path, lineage: Lineage, stages: range, decoded: int) -> None:
    manifest = parent.manifest
    child = create_run(
        root,
        parent.tile_set_path,
        manifest.tile_set.fingerprint,
        manifest.layers,
        manifest.width,
        lineage,
        manifest.settings,
    )
    for file in _files(parent, stages, decoded):
        _copy(parent, child, file)
    for stage in stages:
        if record := parent.record(f"stage{stage}"):
            if stage > decoded and record.phase == "decoded":
                record = replace(record, phase="finished", decoded={})
            child.set_record(f"stage{stage}", record)
    times = parent.root / "times.json"
    if times.is_file():
        _copy(parent, child, times)


def _copy(parent: Run, child: Run, source: Path) -> None:
    target = child.root / source.relative_to(parent.root)
    make_folder(target.parent)
    if source.suffix in _IMMUTABLE:
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
