"""What a file or folder is: asked of the room that it belongs to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dnas_cli import file_kinds
from dnas_cli.errors import DataError
from dnas_cli.json_files import read_json
from dnas_cli.run.directory import open_run
from dnas_cli.scenes.facts import raster_facts
from dnas_cli.scenes.opening import NotARasterError
from dnas_cli.scenes.raster import RASTER_SUFFIXES
from dnas_cli.scenes.vector_facts import vector_facts
from dnas_cli.space.coding import ArchitectureCoding, read_coding
from dnas_cli.stages.run_status import read_status
from dnas_cli.tiles.dataset_json import open_tile_set

if TYPE_CHECKING:
    from dnas_cli.model.cost import ModelCost


class Facts(Protocol):
    """What a room knows of a file."""

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain data."""


@dataclass(frozen=True)
class KnownFile:
    """A file or folder that dnas knows.

    Attributes:
        path: As it was named.
        kind: What it is, as `file_kinds` calls it.
        facts: What the room that it belongs to says of it.
    """

    path: str
    kind: str
    facts: Facts

    def to_json(self) -> dict[str, Any]:
        """Return kind and facts as plain data."""
        return {"file": self.path, "kind": self.kind, **self.facts.to_json()}


_VECTORS = (".gpkg", ".geojson", ".shp", ".fgb")


def read_known_file(path: str) -> KnownFile:
    """Find out what a path is, and read what there is to say of it.

    Raises:
        DataError: It is damaged, or nothing that dnas knows.
    """
    local = Path(path)
    if local.name == "dataset.json" and file_kinds.kind_of(local.parent) == file_kinds.TILE_SET:
        local = local.parent
    kind = file_kinds.kind_of(local)
    if kind in (file_kinds.FILE, file_kinds.RASTER) and local.suffix.lower() in _VECTORS:
        return KnownFile(path, file_kinds.VECTOR, vector_facts(local))
    if kind == file_kinds.TORCH:
        raise DataError(
            f"{path}: is written by torch, but neither a model nor a checkpoint of dnas.",
            "Import a checkpoint of the first release with `dnas import`.",
        )
    if kind in _READERS:
        return KnownFile(path, kind, _READERS[kind](local))
    return KnownFile(path, file_kinds.RASTER, _raster(path))


def _raster(path: str) -> Facts:
    local = Path(path)
    try:
        return raster_facts(path)
    except NotARasterError as error:
        if local.suffix.lower() in RASTER_SUFFIXES:
            raise
        kind = "folder" if local.is_dir() else "file"
        raise DataError(
            f"{path}: is a {kind} that dnas does not know: no raster that GDAL reads, and no run, "
            "tile set, coding, model or checkpoint of dnas.",
            "Name a file or folder in it." if local.is_dir() else "",
        ) from error


@dataclass(frozen=True)
class ArchitectureFacts:
    """An architecture, and its cost at the size of the published table."""

    coding: ArchitectureCoding
    cost: "ModelCost"

    def to_json(self) -> dict[str, Any]:
        """Return the coding as plain data, with its cost."""
        return {**self.coding.to_json(), "cost": self.cost.to_json()}


def _architecture(path: Path) -> Facts:
    from dnas_cli.model.cost import cost_of_coding
    from dnas_cli.nets.network import NetworkShape

    coding = ArchitectureCoding.read(path)
    return ArchitectureFacts(coding, cost_of_coding(coding, NetworkShape(40, 4, 5), 512))


def _evaluation(path: Path) -> Facts:
    from dnas_cli.evaluation.evaluation import Evaluation

    return Evaluation.from_json(read_json(path), str(path))


def _model(path: Path) -> Facts:
    from dnas_cli.model.model_summary import read_model_summary

    return read_model_summary(path)


def _checkpoint(path: Path) -> Facts:
    from dnas_cli.training.checkpoint_summary import read_checkpoint_summary

    return read_checkpoint_summary(path)


_READERS: dict[str, Callable[[Path], Facts]] = {
    file_kinds.RUN: lambda path: read_status(open_run(path)),
    file_kinds.TILE_SET: open_tile_set,
    file_kinds.EVALUATION: _evaluation,
    file_kinds.MODEL: _model,
    file_kinds.CHECKPOINT: _checkpoint,
    **dict.fromkeys(file_kinds.CODINGS.values(), read_coding),
    file_kinds.ARCHITECTURE: _architecture,
}
