"""Whether two runs, stages or models hold the same bits; times and memory are left out."""

import csv
import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.command_line import rows

_OF_COMMANDS = ("dnas.log", "commands.jsonl", "progress.png", "previous.pt")
"""Files that say how often a stage was interrupted: the picture marks where it resumed."""

_TIMES = ("seconds", "peak_memory_mb", "created", "run")


def _leaves(value: Any, where: str = "") -> dict[str, Any]:
    """Flatten a checkpoint to its tensors and numbers, without times."""
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            if key not in _TIMES:
                found.update(_leaves(item, f"{where}/{key}"))
        return found
    if isinstance(value, list | tuple):
        return _leaves(dict(enumerate(value)), where)
    return {where: value}


def same_tensors(a: Path, b: Path) -> bool:
    """Return whether two checkpoints or models hold the same."""
    import torch

    left = _leaves(torch.load(a, weights_only=True))
    right = _leaves(torch.load(b, weights_only=True))
    return left.keys() == right.keys() and all(
        torch.equal(left[key], right[key])
        if isinstance(left[key], torch.Tensor)
        else left[key] == right[key]
        for key in left
    )


def timeless_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a history without times."""
    return [{key: row[key] for key in row if key not in _TIMES} for row in rows(path)]


def _timeless_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{k: row[k] for k in row if k not in _TIMES} for row in csv.DictReader(file)]


def _timeless_dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        lines = database.iterdump()
        return [re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "", line) for line in lines]


def _evaluation(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    content["subject"].pop("model_hash")  # of a file that holds its date
    if content["cost"]:
        content["cost"].pop("timing")
    return content


def _baseline(path: Path) -> list[dict[str, Any]]:
    members = json.loads(path.read_text())["members"]
    return [{key: item[key] for key in item if key != "model_hash"} for item in members]


def differences(a: Path, b: Path, timed: Sequence[str] = ()) -> list[str]:
    """Return the files in which two folders differ, temporary ones that were left among them.

    Args:
        a: One folder.
        b: The other.
        timed: Names of files that show how long the work took.
    """
    ours, theirs = _files(a), _files(b)
    found = [f"{name}: in one only" for name in sorted(ours.keys() ^ theirs.keys())]
    found += [f"{name}: left behind" for name in sorted(ours) if ".part" in name]
    found += [
        name
        for name in sorted(ours.keys() & theirs.keys())
        if name not in timed and not _same_file(ours[name], theirs[name])
    ]
    return found


def assert_same_bytes(a: Path, b: Path) -> None:
    """Check that two folders hold the same files, byte by byte."""
    ours, theirs = ({path.relative_to(top) for path in top.rglob("*")} for top in (a, b))
    assert ours == theirs
    different = [path for path in ours if (a / path).is_file() and not _equal(a / path, b / path)]
    assert not different


def _equal(a: Path, b: Path) -> bool:
    return a.read_bytes() == b.read_bytes()


def assert_same_stage(a: Path, b: Path) -> None:
    """Check that two stage folders ended alike; the checkpoint before the last may differ."""
    assert timeless_rows(a / "history.jsonl") == timeless_rows(b / "history.jsonl")
    if (a / "logits.jsonl").exists():
        assert (a / "logits.jsonl").read_bytes() == (b / "logits.jsonl").read_bytes()
    assert same_tensors(a / "last.pt", b / "last.pt")
    assert same_tensors(a / "best.pt", b / "best.pt")


def _files(folder: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in _OF_COMMANDS
        and path.suffix != ".lock"
        and not path.name.endswith(".lock")
    }


def _same_file(a: Path, b: Path) -> bool:
    if _equal(a, b):
        return True
    if a.suffix == ".pt":
        return same_tensors(a, b)
    if a.suffix == ".gpkg":
        return _timeless_dump(a) == _timeless_dump(b)
    if a.name == "results.json":  # names files of models, which hold their date
        return _baseline(a) == _baseline(b)
    if a.parent.name == "eval" and a.suffix == ".json":
        return _evaluation(a) == _evaluation(b)
    if a.name == "history.csv":
        return _timeless_table(a) == _timeless_table(b)
    if a.name == "history.jsonl":
        return timeless_rows(a) == timeless_rows(b)
    if a.name == "run.json":
        left, right = (json.loads(path.read_text()) for path in (a, b))
        return bool(left["stages"] == right["stages"] and left["network"] == right["network"])
    return False
