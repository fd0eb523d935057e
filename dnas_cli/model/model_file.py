"""The model file: everything that evaluation and mapping need, safe to load.

It is a dictionary of tensors and plain data, read with `torch.load(weights_only=True)`, so a model
from anywhere cannot run code.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.file_kinds import FILE, MODEL, kind_of, wrong_kind
from dnas_cli.json_files import check_schema
from dnas_cli.model.provenance import Provenance
from dnas_cli.model.tensor_file import load_tensors, save_tensors
from dnas_cli.nets.network import HEAD_CHANNELS, Network, NetworkShape, build_derived
from dnas_cli.scenes.band_statistics import BandSummary
from dnas_cli.scenes.label_encoding import LabelEncoding, colour_encoding
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.palette import LandClass
from dnas_cli.space.coding import ArchitectureCoding

if TYPE_CHECKING:
    from dnas_cli.tiles.tile_set import TileSet

SCHEMA = "dnas/model"
VERSION = 1
MAX_TILE = 16384  # pixels, as tile sets have it


@dataclass(frozen=True)
class ModelFacts:
    """What a model was trained on, as far as its use depends on it.

    Attributes:
        classes: Names and colours; position is the index in maps.
        bands: Band names in the order of the network's input.
        dtype: Data type of the training tiles, e.g. `uint8`.
        nodata: Value that marked missing data in the training tiles, if any.
        statistics: Per-band statistics of the training split, in raw units.
        tile_size: Size of the training tiles, or of the crops from them, in pixels.
        width: Channels of the finest scale.
        provenance: Origin of the weights: run, epoch, metrics, versions.
        head: Channels of the head; the paper's 256 if missing.
        ground_resolution: Metres of a pixel on the ground in training, where that is known.
        labels: How the labels that it was trained on say the class; unknown of older models.
        crs_unit: Unit of the map coordinates of the training scenes, where they share one.
    """

    classes: tuple[LandClass, ...]
    bands: tuple[str, ...]
    dtype: str
    nodata: float | None
    normalisation: Normalisation
    statistics: dict[str, BandSummary]
    tile_size: int
    width: int
    provenance: Provenance = field(default_factory=Provenance)
    head: int = HEAD_CHANNELS
    labels: LabelEncoding | None = None
    ground_resolution: float | None = None
    crs_unit: str | None = None

    @staticmethod
    def of_tile_set(
        tiles: "TileSet", shape: NetworkShape, tile_size: int, provenance: Provenance
    ) -> "ModelFacts":
        """Return the facts of a network of some shape that was trained on a tile set."""
        return ModelFacts(
            tiles.classes,
            tiles.bands,
            tiles.dtype,
            tiles.nodata,
            tiles.normalisation,
            dict(tiles.statistics),
            tile_size,
            shape.width,
            provenance,
            shape.head,
            tiles.source_encoding,
            tiles.ground_resolution,
            tiles.crs_unit,
        )

    @property
    def label_encoding(self) -> LabelEncoding:
        """How labels of the model's classes are read where nothing else says it."""
        return self.labels or colour_encoding(self.classes)

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        return {
            "classes": [land_class.to_json() for land_class in self.classes],
            "bands": list(self.bands),
            "dtype": self.dtype,
            "nodata": self.nodata,
            "normalisation": self.normalisation.to_json(),
            "statistics": self.statistics,
            "tile_size": self.tile_size,
            "width": self.width,
            "head": self.head,
            "provenance": self.provenance,
            "ground_resolution": self.ground_resolution,
            "crs_unit": self.crs_unit,
            "labels": self.labels and self.labels.to_json(),
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> "ModelFacts":
        """Build the facts from plain data; ValueError, KeyError or TypeError if invalid."""
        nodata, tile_size = value["nodata"], int(value["tile_size"])
        if not 0 < tile_size <= MAX_TILE:
            raise ValueError(f"tiles of {tile_size} px")
        if not all(str(band).isprintable() for band in value["bands"]):
            raise ValueError("a band has an unprintable name")
        if np.dtype(str(value["dtype"])).kind not in "iuf":
            raise ValueError(f"tiles of {value['dtype']} values")
        classes = tuple(LandClass.from_json(item) for item in value["classes"])
        labels, resolution = value.get("labels"), value.get("ground_resolution")
        unit = value.get("crs_unit")
        return ModelFacts(
            classes=classes,
            bands=tuple(str(band) for band in value["bands"]),
            dtype=str(value["dtype"]),
            nodata=None if nodata is None else float(nodata),
            normalisation=Normalisation.from_json(value["normalisation"]),
            statistics=dict(value["statistics"]),
            tile_size=tile_size,
            width=int(value["width"]),
            provenance=cast(Provenance, dict(value["provenance"])),
            head=int(value.get("head", HEAD_CHANNELS)),
            ground_resolution=None if resolution is None else float(resolution),
            labels=None if labels is None else LabelEncoding.from_json(labels, classes),
            crs_unit=None if unit is None else str(unit),
        )

    def refuse_other_classes(self, names: list[str], data: str, model: str) -> None:
        """Refuse data of other classes.

        Raises:
            DataError: The classes or their order differ.
        """
        expected = [item.name for item in self.classes]
        if names != expected:
            raise DataError(
                f"{data}: has the classes {', '.join(names)}, but {model} knows "
                f"{', '.join(expected)}.",
                "Evaluate on data with the model's classes, in the same order.",
            )

    @property
    def beyond_float32(self) -> str:
        """A clause on bands whose raw values float32 does not hold; empty if it holds all."""
        names = [self.bands[index] for index in self.normalisation.beyond_float32]
        return f"float32 cannot tell values of {', '.join(names)} apart" if names else ""

    @property
    def shape(self) -> NetworkShape:
        """The shape of the network."""
        return NetworkShape(self.width, len(self.bands), len(self.classes), head=self.head)


@dataclass(frozen=True)
class Model:
    """A trained network with the facts that its use needs."""

    network: Network
    architecture: ArchitectureCoding
    facts: ModelFacts


def save_model(path: Path, model: Model) -> None:
    """Write a model file, atomically."""
    content = {
        "schema": SCHEMA,
        "version": VERSION,
        "architecture": model.architecture.document(),
        "facts": model.facts.to_json(),
        "state": {key: tensor.cpu() for key, tensor in model.network.state_dict().items()},
    }
    save_tensors(path, content)


def load_model(path: Path, device: torch.device) -> Model:
    """Read a model file and return the model in evaluation mode on a device.

    Raises:
        DataError: The file is missing, damaged, or not a model file.
    """
    if kind_of(path) not in ("", FILE, MODEL):
        raise wrong_kind(path, MODEL)
    content = check_schema(load_tensors(path), SCHEMA, VERSION, str(path), "file of a model")
    try:
        architecture = ArchitectureCoding.from_document(content["architecture"], str(path))
        facts = ModelFacts.from_json(content["facts"])
        network = _network(architecture, facts, content["state"], path.stat().st_size)
    except (*MALFORMED, RuntimeError) as error:
        raise DataError(f"{path}: is not a valid model ({brief(error)}).") from error
    return Model(network.to(device).eval(), architecture, facts)


def _network(
    architecture: ArchitectureCoding, facts: ModelFacts, state: dict[str, Any], size: int
) -> Network:
    """Build the network around the tensors of a file of `size` bytes.

    It is built without memory first: a file may describe a network that no memory can hold.
    """
    if len(state) < len(architecture.graph.edges):
        raise ValueError("it has fewer tensors than its architecture has cells")
    with torch.device("meta"):
        network = build_derived(architecture, facts.shape)
    wanted = network.state_dict()
    if sum(item.numel() * item.element_size() for item in wanted.values()) > size:
        raise ValueError("it is smaller than the network that it describes")
    for key, item in wanted.items():
        found = state[key]
        if found.dtype != item.dtype or found.layout != item.layout:
            raise ValueError(f"{key} holds {found.dtype} values")
    network.load_state_dict(state, assign=True)
    return network
