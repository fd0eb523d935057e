"""Sealed documents: plain JSON with a schema, a content hash and the parent's hash."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError
from dnas_cli.file_kinds import CODINGS, FILE, kind_of, wrong_kind
from dnas_cli.files import read_text
from dnas_cli.json_files import content_hash, parse_json

MAX_BYTES = 16 * 1024 * 1024  # a lattice of 64 layers codes to less than 2 MB


def seal(
    schema: str, version: int, body: Mapping[str, object], derived_from: str | None
) -> dict[str, object]:
    """Wrap a body into a document that carries its own hash and its parent's."""
    document = {"schema": schema, "version": version, "derived_from": derived_from, **body}
    return {**document, "hash": content_hash(document)}


def read_sealed_json(path: Path, schema: str, version: int) -> dict[str, Any]:
    """Read a document and check its schema, version and hash.

    Raises:
        DataError: The file is missing, of another kind or version, damaged or edited.
    """
    if kind_of(path) not in ("", FILE, CODINGS[schema]):
        raise wrong_kind(path, CODINGS[schema])
    document = parse_json(read_text(path, MAX_BYTES), str(path))
    if not isinstance(document, dict) or document.get("schema") != schema:
        found = document.get("schema") if isinstance(document, dict) else None
        says = f"holds {found!r}" if isinstance(found, str) else "names no schema"
        raise DataError(f"{path}: is not a {schema} ({says}).")
    if document.get("version") != version:
        raise DataError(
            f"{path}: {schema} version {document.get('version')!r} is not version {version}.",
            "It was written by another version of dnas; use that one.",
        )
    content = {key: value for key, value in document.items() if key != "hash"}
    if document.get("hash") != content_hash(content):
        raise DataError(
            f"{path}: its content does not match its hash; it was edited or damaged.",
            "Restore it, or repeat the command that wrote it.",
        )
    return document
