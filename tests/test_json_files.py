"""JSON is written and hashed as the standard library does, in a fraction of its time."""

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

from dnas_cli.json_files import content_hash, read_json, write_json

_TEXTS = ("", "a", "Straße", "\n", 'say "0"', ",\n  ", "[", "{}", "\U0001f30d", "\\", "0: 0")


def _value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind < 6:
        plain = (rng.choice(_TEXTS), rng.random() * 1e9, rng.randrange(-9, 9), None, True, 1e-7)
        return plain[kind]
    items = [_value(rng, depth + 1) for _ in range(rng.randrange(5))]
    if kind == 6:
        return items
    return {f"{rng.choice(_TEXTS)}{number}": item for number, item in enumerate(items)}


def test_files_and_hashes_are_those_of_the_standard_library(tmp_path: Path) -> None:
    rng, path = random.Random(0), tmp_path / "value.json"
    for _ in range(500):
        value = {"value": _value(rng)}
        write_json(path, value)
        assert path.read_text() == json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        assert read_json(path) == value
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
        assert content_hash(value) == "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def test_names_that_are_no_utf_8_are_escaped(tmp_path: Path) -> None:
    value = {"name": os.fsdecode(b"\xff.tif"), "more": [["Straße"]]}
    write_json(tmp_path / "value.json", value)
    assert (tmp_path / "value.json").read_text() == json.dumps(value, indent=2) + "\n"


def test_long_lists_are_hashed_in_parts(tmp_path: Path) -> None:
    value = {"tiles": [[number, {"b": 1, "a": []}] for number in range(25_000)], "a": {}}
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert content_hash(value) == "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
