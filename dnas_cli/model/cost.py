"""The cost of a model on one of its tiles: counted, and timed (method, section 7)."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dnas_cli.model.cost_options import CostOptions
from dnas_cli.model.model_file import Model, load_model
from dnas_cli.model.provenance import Provenance
from dnas_cli.nets.cost import CostCount, count_cells, count_coding, count_cost
from dnas_cli.nets.device import synchronise
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.nets.network import NetworkShape, build_derived
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Edge, edge

Cells = Mapping[Edge, tuple[str, ...]]

_WARM_UP, _TIMED = 2, 7  # forward passes


@dataclass(frozen=True)
class Timing:
    """How long a forward pass over one tile takes.

    Attributes:
        milliseconds: Median of several, after a warm-up.
        device: The device it was measured on.
    """

    milliseconds: float
    device: str


@dataclass(frozen=True)
class ModelCost:
    """The cost of one forward pass over one tile, at batch 1.

    Attributes:
        network: The network as `dnas` builds it.
        without_output: Cells of an imported model with an input but without an output. The first
            release runs them, and the published figures count them.
        without_input: Cells of an imported model without an input. The first release keeps their
            weights and never runs them.
        timing: None if not measured.
        check: What ptflops counts of the network; None if not asked for.
    """

    bands: int
    height: int
    width: int
    network: CostCount
    without_output: CostCount
    without_input: CostCount
    timing: Timing | None = None
    check: CostCount | None = None

    @property
    def agrees(self) -> bool:
        """Whether ptflops counts the same; it does not count outputs of layers."""
        return self.check == replace(self.network, layer_output_bytes=0)

    @property
    def published(self) -> CostCount:
        """The cost by the published table: of all cells with an input."""
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
            "timing": asdict(self.timing) if self.timing else None,
            **({"ptflops": self.check.to_json() | {"agrees": self.agrees}} if self.check else {}),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "ModelCost":
        """Build the cost from plain data; KeyError or TypeError if it is invalid."""
        tile, dead, timing = value["tile"], value["dead_cells"], value["timing"]
        return ModelCost(
            int(tile["bands"]),
            int(tile["height"]),
            int(tile["width"]),
            _count(value["network"]),
            _count(dead["without_output"]),
            _count(dead["without_input"]),
            Timing(float(timing["milliseconds"]), str(timing["device"])) if timing else None,
        )


def _count(value: Mapping[str, Any]) -> CostCount:
    return CostCount(**{key: int(number) for key, number in value.items()})


def cost_of_file(path: Path, options: CostOptions) -> ModelCost:
    """Count the cost of a model, or of an architecture at a given size.

    Raises:
        DataError: It is neither, or is damaged.
    """
    if path.suffix == ".json":
        shape = NetworkShape(options["width"], options["bands"], options["classes"])
        coding, size = ArchitectureCoding.read(path), options["size"]
        cost = cost_of_coding(coding, shape, size)
    else:
        model = load_model(path, torch.device("cpu"))
        coding, shape, size = model.architecture, model.facts.shape, model.facts.tile_size
        cost = cost_of_model(model)
    return replace(cost, check=check_count(coding, shape, size)) if options["check"] else cost


def cost_of_coding(coding: ArchitectureCoding, shape: NetworkShape, size: int) -> ModelCost:
    """Count the cost of an architecture on a square tile of `size` pixels."""
    counted = count_coding(coding, shape, size, size)
    return ModelCost(shape.bands, size, size, counted, CostCount(), CostCount())


def check_count(coding: ArchitectureCoding, shape: NetworkShape, size: int) -> CostCount:
    """Count an architecture with ptflops, which runs the network and looks at its layers.

    Returns:
        All but the outputs of layers, which ptflops does not count.
    """
    from ptflops import get_model_complexity_info

    with torch.device("meta"):
        network = build_derived(coding, shape).eval()

    def count(backend: str, **config: bool) -> tuple[int, int]:
        return get_model_complexity_info(  # type: ignore[no-any-return]
            network,
            (shape.bands, size, size),
            as_strings=False,
            print_per_layer_stat=False,
            backend=backend,
            backend_specific_config=config,
        )

    multiply_accumulates, parameters = count("aten")
    layer_operations, _ = count("pytorch", count_functional=False)
    return CostCount(multiply_accumulates, layer_operations, 0, parameters)


def cost_of_model(model: Model) -> ModelCost:
    """Count the cost of a model on a tile of its training size."""
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


def timed_cost(model: Model, device: torch.device) -> ModelCost:
    """Count the cost of a model, and time it on its device."""
    cost = cost_of_model(model)
    network = fold(model.network)  # as evaluation and mapping do
    tile = torch.zeros(1, cost.bands, cost.height, cost.width, device=device)
    times = []
    with torch.inference_mode():
        for number in range(_WARM_UP + _TIMED):
            start = time.perf_counter()
            network(tile)
            synchronise(device)
            if number >= _WARM_UP:
                times.append(time.perf_counter() - start)
    return replace(cost, timing=Timing(1000.0 * statistics.median(times), _device_name(device)))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    return f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)


def _dropped_cells(provenance: Provenance) -> tuple[Cells, Cells]:
    """Return the cells that an import left out: those with an input, and the others."""
    executed: dict[Edge, tuple[str, ...]] = {}
    never: dict[Edge, tuple[str, ...]] = {}
    for cell in provenance.get("dropped_cells", ()):
        (layer, scale), (to_layer, to_scale) = cell["source"], cell["target"]
        item = edge((layer, scale), (to_layer, to_scale))
        (executed if cell["executed"] else never)[item] = tuple(cell["operators"])
    return executed, never
