"""`dnas info`: what a file or folder is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dnas_cli.commands.options import AsJson, Quiet, Verbose
from dnas_cli.errors import DataError
from dnas_cli.report import known_files
from dnas_cli.report.raster_text import raster_text


@dataclass(frozen=True)
class Kind:
    """One kind of thing that `dnas info` knows.

    Attributes:
        name: What it is called, under `kind` in the JSON.
        recognises: Whether a path is one; must be quick and must not raise.
        facts: What it is, as plain data.
        as_text: The facts as lines for a person.
    """

    name: str
    recognises: Callable[[str], bool]
    facts: Callable[[str], dict[str, Any]]
    as_text: Callable[[dict[str, Any]], list[str]]


def info(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="A raster, tile set, run, coding or model file.")
    ],
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Tell what a file or folder is: a raster, tile set, run, coding, model or checkpoint.

    Of a raster: size, bands, values, georeference, storage; /vsi... and s3:// names work as well.
    """
    kind = next(kind for kind in KINDS if kind.recognises(path))
    facts = {"file": path, "kind": kind.name, **kind.facts(path)}
    if as_json:
        print(json.dumps(facts, indent=2, allow_nan=False))
    else:
        print("\n".join([f"{path}: {kind.name}", *(f"  {line}" for line in kind.as_text(facts))]))


def _raster_facts(path: str) -> dict[str, Any]:
    from dnas_cli.scenes.facts import raster_facts
    from dnas_cli.scenes.raster import RASTER_SUFFIXES, NotARasterError

    local = Path(path)
    try:
        return raster_facts(path)
    except NotARasterError as error:
        if local.suffix.lower() in RASTER_SUFFIXES:
            raise
        kind = "folder" if local.is_dir() else "file"
        raise DataError(
            f"{path}: is a {kind} that nothing here knows: no raster that GDAL reads, and no run, "
            "tile set, coding, model or checkpoint of dnas.",
            "Name a file or folder in it." if local.is_dir() else "",
        ) from error


# Asked in this order; a raster is whatever nothing else is, so that its errors are about rasters.
KINDS: tuple[Kind, ...] = (
    Kind("run", known_files.is_run, known_files.run_facts, known_files.run_text),
    Kind(
        "tile set", known_files.is_tile_set, known_files.tile_set_facts, known_files.tile_set_text
    ),
    Kind(
        "document", known_files.is_document, known_files.document_facts, known_files.document_text
    ),
    Kind(
        "model or checkpoint",
        known_files.is_torch_file,
        known_files.torch_file_facts,
        known_files.torch_file_text,
    ),
    Kind("raster", lambda path: True, _raster_facts, raster_text),
)
