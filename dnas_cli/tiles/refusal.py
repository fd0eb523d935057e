"""Refusing a finished tile set of other settings or files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnas_cli.errors import RunStateError
from dnas_cli.tiles.dataset_json import read_description
from dnas_cli.tiles.settings import differences
from dnas_cli.tiles.source_files import files_of, is_changed

_MOST_NAMED = 20


def refuse_other_settings(root: Path, settings: Any, sources: Mapping[str, Path]) -> None:
    """Refuse a finished tile set of other settings or other files.

    Args:
        settings: The wanted settings, as plain data.
        sources: The files to cut: their paths by the name in `dataset.json`.

    Raises:
        RunStateError: It differs.
    """
    content = read_description(root)
    found = differences(content.get("settings"), settings)
    found += _changed_files(root, content, sources)
    if found:
        shown = found[:_MOST_NAMED] + (["..."] if len(found) > _MOST_NAMED else [])
        raise RunStateError(
            f"{root}: is a finished tile set with other settings or files:",
            "Repeat its settings to keep it, replace it with overwrite=True, or name another "
            "folder with out=DIR.",
            shown,
        )


def _changed_files(
    root: Path, content: Mapping[str, Any], sources: Mapping[str, Path]
) -> list[str]:
    known = {
        str(facts["path"]): facts
        for source in content.get("sources", [])
        for facts in files_of(source)
    }
    skipped = {str(item["name"]) for item in content.get("skipped", [])}
    made = (root / "dataset.json").stat().st_mtime_ns
    found = []
    for name, path in sources.items():
        if name not in known:
            found += [] if name in skipped else [f"{name}: is new"]
        elif path.stat().st_size != known[name]["bytes"]:
            found.append(f"{name}: has changed its size")
        elif is_changed(path, known[name], made):
            found.append(f"{name}: has changed")
    found += [f"{name}: is missing" for name in known if name not in sources]
    return found
