"""Small model files for tests: a real derived network with random weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dnas_cli.datasets.description import parse_description
from dnas_cli.model.model_file import Model, ModelFacts, save_model
from dnas_cli.nets.network import build_derived
from dnas_cli.scenes.normalisation import Normalisation
from dnas_cli.scenes.palette import LandClass
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import Graph, edge

CLASSES = (
    LandClass("built-up", (255, 0, 0)),
    LandClass("farmland", (0, 255, 0)),
    LandClass("water", (0, 0, 255)),
)


def write_model(
    path: Path,
    bands: Sequence[str] = ("red", "green", "blue"),
    dtype: str = "uint8",
    tile_size: int = 64,
    largest: float = 255.0,
    nodata: float | None = None,
    seed: int = 0,
    head: int = 8,
    per_image: bool = False,
    classes: str | None = None,
    **facts: Any,
) -> Path:
    """Write a model whose classes depend on its input, for values from 0 to about `largest`.

    `classes` is the YAML of a dataset, which says how its labels were written; further `facts` are
    fields of `ModelFacts`. Its head is small: with the paper's 256 channels it takes most of the
    time.
    """
    described = parse_description(classes, "classes", "made") if classes else None
    graph = Graph(2, (edge((-1, 0), (0, 0)), edge((0, 0), (1, 0))))
    operators = tuple(("conv1x1", "conv3x3", "sep_conv_3x3") for _ in graph.nodes)
    coding = ArchitectureCoding(graph, operators, derived_from=None)
    normalisation = Normalisation(
        1 / largest, (0.45,) * len(bands), (0.22,) * len(bands), per_image
    )
    known = ModelFacts(
        classes=described.classes if described else CLASSES,
        bands=tuple(bands),
        dtype=dtype,
        nodata=nodata,
        normalisation=normalisation,
        statistics={},
        tile_size=tile_size,
        width=4,
        head=head,
        labels=described.encoding if described else None,
        **facts,
    )
    torch.manual_seed(seed)
    network = build_derived(coding, known.shape).eval()
    _balance(network, len(bands), tile_size)
    save_model(path, Model(network, coding, known))
    return path


def _balance(network: torch.nn.Module, bands: int, size: int) -> None:
    """Scale and shift the last layer so that every class wins somewhere on random patches."""
    last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    patches = torch.randn(4, bands, size // 8, size // 8)
    with torch.inference_mode():
        logits = network(torch.nn.functional.interpolate(patches, (size, size)))
        means, spread = logits.mean((0, 2, 3)), logits.std((0, 2, 3))
    with torch.no_grad():
        last.weight *= 2 / spread[:, None, None, None]
        assert last.bias is not None
        last.bias.copy_((last.bias - means) * 2 / spread)
