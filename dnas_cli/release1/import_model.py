"""Importing the networks of the first release: codings, and models with their weights."""

from dataclasses import dataclass
from pathlib import Path

import torch

from dnas_cli import __version__
from dnas_cli.claimed_outputs import claim_outputs
from dnas_cli.console import logger
from dnas_cli.datasets.description import load_description
from dnas_cli.errors import DataError, UsageError
from dnas_cli.files import file_hash
from dnas_cli.model.model_file import Model, ModelFacts, save_model
from dnas_cli.model.provenance import Provenance
from dnas_cli.nets.network import NetworkShape, build_derived
from dnas_cli.release1.checkpoint import Release1Checkpoint, load_release1
from dnas_cli.release1.codings import Release1Coding, read_release1
from dnas_cli.release1.tensor_names import load_release1_state, shape_of
from dnas_cli.run.directory import now
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.palette import LandClass
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.tiles.dataset_json import open_tile_set

DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass(frozen=True)
class Imagery:
    """Facts of the training images that a checkpoint does not hold.

    Attributes:
        dataset: Name of a built-in description, a user's YAML, or a tile set.
        dtype: Data type of the bands; a tile set has its own.
        tile_size: Size of the training tiles; a tile set has its own.
    """

    dataset: str
    dtype: str = "uint8"
    tile_size: int = 512

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UsageError(
                f"dtype={self.dtype}: unknown data type.", f"Give {', '.join(DTYPES)}."
            )


def import_architecture(
    connections: Path, operations: Path, out: Path, overwrite: bool = False
) -> Release1Coding:
    """Turn the two coding files of the first release into an architecture coding.

    Raises:
        DataError: A file is missing or damaged, or they do not belong together.
        RunStateError: `out` exists.
    """
    claim_outputs([out], overwrite)
    coding = read_release1(connections, operations)
    coding.architecture().write(out)
    _announce(out, coding, coding.architecture())
    return coding


def import_model(
    connections: Path,
    operations: Path,
    checkpoint: Path,
    imagery: Imagery,
    out: Path,
    overwrite: bool = False,
) -> Model:
    """Turn the coding files and a checkpoint of the first release into a model file.

    Layers, width, bands and classes come from the files; every tensor is placed by its key.

    Raises:
        DataError: A file is missing or damaged, or they do not belong together.
        RunStateError: `out` exists.
    """
    claim_outputs([out], overwrite)
    coding = read_release1(connections, operations)
    trained = load_release1(checkpoint)
    shape = shape_of(trained.state, str(checkpoint))
    facts = _facts(imagery, shape, checkpoint, _provenance(coding, trained, checkpoint))
    architecture = coding.architecture()
    network = build_derived(architecture, shape)
    left_out = load_release1_state(network, trained.state, str(checkpoint), coding.dropped)
    model = Model(network.eval(), architecture, facts)
    save_model(out, model)
    _announce(out, coding, architecture)
    if left_out:
        logger.info("%s: %d tensors of dead cells were left out.", checkpoint, len(left_out))
    return model


def _facts(
    imagery: Imagery, shape: NetworkShape, checkpoint: Path, provenance: Provenance
) -> ModelFacts:
    facts = _described(imagery, shape, provenance)
    for what, count, names in (
        ("bands", shape.bands, facts.bands),
        ("classes", shape.classes, tuple(item.name for item in facts.classes)),
    ):
        if count != len(names):
            raise DataError(
                f"{imagery.dataset}: has {len(names)} {what} ({', '.join(names)}), but "
                f"{checkpoint} was trained on {count}.",
                "Give as dataset=... the data that the checkpoint was trained on.",
            )
    return facts


def _described(imagery: Imagery, shape: NetworkShape, provenance: Provenance) -> ModelFacts:
    if Path(imagery.dataset).is_dir():
        tiles = open_tile_set(Path(imagery.dataset))
        return ModelFacts.of_tile_set(tiles, shape, tiles.tile_size, provenance)
    description = load_description(imagery.dataset)
    classes: tuple[LandClass, ...] = description.classes
    normalisation: Normalisation | None = description.normalisation
    if not description.bands or normalisation is None:
        missing = "normalisation" if description.bands else "bands"
        raise DataError(
            f"{imagery.dataset}: lacks the {missing}, which the checkpoint does not hold either.",
            f"Give a YAML with `{missing}:`, or a tile set, as dataset=....",
        )
    return ModelFacts(
        classes,
        description.bands,
        imagery.dtype,
        description.nodata,
        normalisation,
        {},
        imagery.tile_size,
        shape.width,
        provenance,
        shape.head,
        description.encoding,
    )


def _provenance(
    coding: Release1Coding, trained: Release1Checkpoint, checkpoint: Path
) -> Provenance:
    """Return the origin of the weights, and the cells of the coding that are left out.

    The published figures count some of those cells, so `dnas eval --cost` needs them.
    """
    executed = set(coding.executed.edges)
    return {
        "dnas": __version__,
        "torch": str(torch.__version__),  # a subclass of str, which a model must not hold
        "created": now(),
        "imported_from": checkpoint.name,
        "imported_hash": file_hash(checkpoint),
        "epoch": trained.epoch,
        "val_mean_iou": trained.best,
        "dropped_cells": [
            {
                "source": [item.source.layer, item.source.scale],
                "target": [item.target.layer, item.target.scale],
                "operators": list(coding.operators[item.target]),
                "executed": item in executed,
            }
            for item in coding.dropped
        ],
    }


def _announce(out: Path, coding: Release1Coding, architecture: ArchitectureCoding) -> None:
    graph = architecture.graph
    logger.info(
        "%s: %d layers, %d nodes, %d connections.",
        out,
        graph.layers,
        len(graph.nodes),
        len(graph.edges),
    )
    if coding.dropped:
        logger.info(
            "%d dead connections were left out: %s.",
            len(coding.dropped),
            ", ".join(item.key for item in coding.dropped),
        )
