"""What a model costs on one of its tiles, counted without data and without running it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dnas_cli.model.model_file import Model, load_model
from dnas_cli.nets.cost import CostCount, count_cells, count_cost
from dnas_cli.space.lattice import Edge, edge

Cells = Mapping[Edge, tuple[str, ...]]


@dataclass(frozen=True)
class ModelCost:
    """The cost of one forward pass over one tile, at batch 1.

    Attributes:
        bands: Bands of the tile.
        height: Rows of the tile.
        width: Columns of the tile.
        network: The network as it is built here.
        without_output: Cells of an imported model that get an input and lead to no output. The
            first release runs them, and the published figures count them.
        without_input: Cells of an imported model that get no input. The first release keeps their
            weights and never runs them.
    """

    bands: int
    height: int
    width: int
    network: CostCount
    without_output: CostCount
    without_input: CostCount

    @property
    def published(self) -> CostCount:
        """The cost that the published table states: of all cells that get an input."""
        return self.network + self.without_output

    def to_json(self) -> dict[str, Any]:
        """Return the cost as plain data."""
        return {
            "tile": {"bands": self.bands, "height": self.height, "width": self.width},
            "network": self.network.to_json(),
            "published": self.published.to_json(),
            "dead_cells": {
                "without_output": self.without_output.to_json(),
                "without_input": self.without_input.to_json(),
            },
        }


def model_cost(path: Path) -> ModelCost:
    """Count the cost of a model file.

    Raises:
        DataError: It is not a model file.
    """
    return cost_of_model(load_model(path, torch.device("cpu")))


def cost_of_model(model: Model) -> ModelCost:
    """Count the cost of a model on a tile of the size it was trained on."""
    facts, size = model.facts, model.facts.tile_size
    executed, never = _dropped_cells(facts.provenance)
    return ModelCost(
        len(facts.bands),
        size,
        size,
        count_cost(model.network, size, size),
        count_cells(executed, facts.shape, size, size),
        count_cells(never, facts.shape, size, size),
    )


def _dropped_cells(provenance: Mapping[str, Any]) -> tuple[Cells, Cells]:
    """Return the cells that an import left out: those that get an input, and the others."""
    executed: dict[Edge, tuple[str, ...]] = {}
    never: dict[Edge, tuple[str, ...]] = {}
    for cell in provenance.get("dropped_cells", ()):
        item = edge(tuple(cell["source"]), tuple(cell["target"]))
        (executed if cell["executed"] else never)[item] = tuple(cell["operators"])
    return executed, never
