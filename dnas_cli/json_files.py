"""JSON as plain data: written whole, read with bounds, hashed in one canonical form.

What is read may come from anywhere, so reading is bounded in size and in depth.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError, brief
from dnas_cli.files import is_text, read_text, write_text

_DEEPEST = 64  # levels of lists and objects; our own files have 8
_CONTAINERS = (dict, list, tuple)
_PART = 10_000  # items of a list that are encoded at once
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def write_json(target: Path, value: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    text = _indented(value, ensure_ascii=False) + "\n"
    if not is_text(text):  # file names need not be UTF-8
        text = _indented(value, ensure_ascii=True) + "\n"
    write_text(target, text)


def _indented(value: Any, ensure_ascii: bool, end: str = "\n") -> str:
    """Return what `json.dumps` gives with `indent=2`, which takes ten times as long.

    The encoder in C cannot indent, but puts any separator between items without items of their own.
    """
    between = f",{end}  "
    encoder = _encoder(ensure_ascii, between)
    if not value or not isinstance(value, _CONTAINERS):
        return encoder.encode(value)
    items = enumerate(value.values() if isinstance(value, dict) else value)
    nested = {place: item for place, item in items if isinstance(item, _CONTAINERS) and item}
    if not nested:
        text = encoder.encode(value)
        return f"{text[0]}{end}  {text[1:-1]}{end}{text[-1]}"
    keys = list(value) if isinstance(value, dict) else range(len(value))
    flat: Any = {**value} if isinstance(value, dict) else [*value]
    for place in nested:
        flat[keys[place]] = 0
    text = encoder.encode(flat)
    lines = text[1:-1].split(between)  # no text of JSON holds a line end
    for place, item in nested.items():
        lines[place] = lines[place][:-1] + _indented(item, ensure_ascii, f"{end}  ")
    return f"{text[0]}{end}  {between.join(lines)}{end}{text[-1]}"


@cache
def _encoder(ensure_ascii: bool, between: str) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=ensure_ascii, allow_nan=False, separators=(between, ": "))


def read_json(path: Path) -> Any:
    """Read a JSON file as plain data.

    Raises:
        DataError: The file is missing, unreadable or not JSON.
    """
    return parse_json(read_text(path), str(path))


def parse_json(text: str, name: str) -> Any:
    """Parse JSON as plain data that can be walked and written again.

    Args:
        text: The JSON.
        name: What errors call it.

    Raises:
        DataError: It is not JSON, or nested too deeply.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: is not valid JSON ({brief(error)}).") from error
    if _depth(value) > _DEEPEST:
        raise DataError(f"{name}: is nested too deeply.")
    return value


def _depth(value: Any) -> int:
    """Return how deeply plain data is nested, up to the limit, without recursion."""
    depth = 0
    level: list[Any] = [[value]]
    while depth <= _DEEPEST:
        level = [
            item
            for parent in level
            for item in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(item, _CONTAINERS)
        ]
        if not level:
            break
        depth += 1
    return depth


def check_schema(
    value: Any, schema: str, version: int, name: str, kind: str, remedy: str = ""
) -> dict[str, Any]:
    """Return plain data of a schema and version.

    Args:
        value: As it was read.
        name: The file, for messages.
        kind: What such data is, `plan of a run` for example.
        remedy: What helps where it is of another one.

    Raises:
        DataError: It is of another schema or version.
    """
    if not isinstance(value, dict) or value.get("schema") != schema:
        raise DataError(f"{name}: is not the {kind}.", remedy)
    if value.get("version") != version:
        raise DataError(
            f"{name}: {kind}, version {value.get('version')!r} is not version {version}.",
            remedy or "It was written by another version of dnas; use that one.",
        )
    return value


def content_hash(value: Any) -> str:
    """Return the SHA-256 of plain data in its canonical JSON form, as `sha256:<hex>`."""
    digest = hashlib.sha256()
    for part in _canonical(value):
        digest.update(part.encode())
    return "sha256:" + digest.hexdigest()


def _canonical(value: Any) -> Iterator[str]:
    """Yield the canonical JSON of plain data in parts; that of a large tile set has 100 MB.

    An iterator of texts stands for one text.
    """
    if isinstance(value, dict) and value:
        for mark, key in zip(chain("{", repeat(",")), sorted(value), strict=False):
            yield mark + _CANONICAL.encode({key: 0})[1:-2]
            yield from _canonical(value[key])
        yield "}"
    elif isinstance(value, list) and len(value) > _PART:
        for start in range(0, len(value), _PART):
            yield "[,"[start > 0] + _CANONICAL.encode(value[start : start + _PART])[1:-1]
        yield "]"
    elif isinstance(value, Iterator):
        yield '"'
        yield from (_CANONICAL.encode(text)[1:-1] for text in value)
        yield '"'
    else:
        yield _CANONICAL.encode(value)
