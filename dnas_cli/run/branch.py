"""Branching: a child run that takes over finished stages and goes on by itself."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from dnas_cli.errors import RunStateError
from dnas_cli.run.directory import CODINGS, Run, create_run, link_path, now
from dnas_cli.run.manifest import Lineage

_IMMUTABLE = {".pt"}  # replaced whole, never written in place: safe to share as hard links


def branch(parent: Run, target: Path, searched: int, decoded: int) -> Run:
    """Copy finished stages of a run into a new one, with recorded lineage.

    Args:
        parent: Stays as it is.
        target: The new run directory.
        searched: The last stage whose search is taken over.
        decoded: The last stage whose coding is taken over.

    Raises:
        RunStateError: `target` exists, or one of those stages is not finished.
    """
    for stage in range(1, searched + 1):
        record = parent.record(f"stage{stage}")
        missing = record is None or not record.finished
        if missing and not parent.coding_path(CODINGS[stage]).is_file():
            raise RunStateError(
                f"{parent.root}: stage {stage} is not finished, so a branch cannot take it over.",
                f"Run: {parent.next_command()}",
            )
    manifest = parent.manifest
    name = CODINGS[decoded] if decoded == searched and decoded else f"search of stage {searched}"
    child = create_run(
        target,
        parent.tile_set_path,
        manifest.tile_set.fingerprint,
        manifest.layers,
        manifest.width,
        Lineage(link_path(target, parent.root), name if searched else "nothing", now()),
    )
    for stage in range(1, searched + 1):
        _copy(parent, child, parent.coding_path(f"stage{stage}"))
        if parent.stage_folder(f"stage{stage}").is_dir():
            for file in sorted(parent.stage_folder(f"stage{stage}").iterdir()):
                if file.is_file() and not file.name.startswith("."):
                    _copy(parent, child, file)
        if stage <= decoded:
            _copy(parent, child, parent.coding_path(CODINGS[stage]))
        if record := parent.record(f"stage{stage}"):
            if stage > decoded and record.phase == "decoded":
                record = replace(record, phase="finished", decoded={})
            child.set_record(f"stage{stage}", record)
    return child


def _copy(parent: Run, child: Run, source: Path) -> None:
    if not source.is_file():
        return
    target = child.root / source.relative_to(parent.root)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix in _IMMUTABLE:
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)
