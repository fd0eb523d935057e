"""Branching: a child run that starts with copies of its parent's finished stages."""

import os
import secrets
import shutil
from dataclasses import replace
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import DnasError, RunStateError
from dnas_cli.files import atomic_path, make_folder
from dnas_cli.run.directory import CODINGS, Run, create_run, is_run, link_path, now, open_run
from dnas_cli.run.manifest import Lineage

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
        draft = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}")
        draft.mkdir()
    except OSError as error:
        raise DnasError(f"{target}: cannot be written ({error.strerror}).") from error
    try:
        _take_over(parent, draft, lineage, searched, decoded)
        draft.replace(target)
    except OSError as error:
        if is_run(target):  # another command made it meanwhile
            return branch(parent, target, searched, decoded)
        raise DnasError(f"{target}: cannot be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
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
    for stage in range(1, searched + 1):
        _copy(parent, child, parent.coding_path(f"stage{stage}"))
        if parent.stage_folder(f"stage{stage}").is_dir():
            for file in sorted(parent.stage_folder(f"stage{stage}").iterdir()):
                if not file.name.startswith("."):
                    _copy(parent, child, file)
        if stage <= decoded:
            _copy(parent, child, parent.coding_path(CODINGS[stage]))
            if stage == max(CODINGS):
                _copy(parent, child, parent.coding_path("candidates"))
        if record := parent.record(f"stage{stage}"):
            if stage > decoded and record.phase == "decoded":
                record = replace(record, phase="finished", decoded={})
            child.set_record(f"stage{stage}", record)
    _copy(parent, child, parent.root / "times.json")
    now_there = open_run(parent.root)
    taken = [f"stage{stage}" for stage in range(1, searched + 1)]  # others may be in use
    if any(now_there.record(name) != parent.record(name) for name in taken):
        raise RunStateError(
            f"{parent.root}: changed while the branch was made.", "Run the command again."
        )


def _copy(parent: Run, child: Run, source: Path) -> None:
    if not source.is_file():
        return
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
