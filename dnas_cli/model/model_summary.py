"""What a model file holds, for a person or a program that does not use the model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dnas_cli.model.cost import ModelCost, cost_of_model
from dnas_cli.model.model_file import SCHEMA, ModelFacts, load_model
from dnas_cli.space.coding import ArchitectureCoding


@dataclass(frozen=True)
class ModelSummary:
    """A model without its weights."""

    facts: ModelFacts
    architecture: ArchitectureCoding
    cost: ModelCost

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        return {
            "schema": SCHEMA,
            **self.facts.to_json(),
            "layers": self.architecture.graph.layers,
            "architecture": self.architecture.document(),
            "cost": self.cost.to_json(),
        }


def read_model_summary(path: Path) -> ModelSummary:
    """Read a model file, and count what the model costs.

    Raises:
        DataError: It is missing, damaged, or not a model file.
    """
    model = load_model(path, torch.device("cpu"))
    return ModelSummary(model.facts, model.architecture, cost_of_model(model))
