"""Networks without weights, and what they cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from dnas_cli.api.path_arguments import AnyPath
from dnas_cli.errors import UsageError
from dnas_cli.model.cost_options import CostOptions
from dnas_cli.typed_fields import completed

if TYPE_CHECKING:
    from torch import nn

    from dnas_cli.model.cost import ModelCost
    from dnas_cli.space.coding import ArchitectureCoding


def build_network(
    coding: "ArchitectureCoding | str | Path", width: int = 40, bands: int = 4, classes: int = 5
) -> "nn.Module":
    """Build the derived network of an architecture, untrained (method, section 5).

    Args:
        coding: The architecture, or its file.
        width: Channels of the finest scale.
        bands: Bands of the input.
        classes: Classes of the output.

    Returns:
        A module that maps (N, bands, H, W) float32, normalised, to (N, classes, H, W) logits.

    Raises:
        DataError: The file is no architecture coding.
        UsageError: A size is not positive.
    """
    from dnas_cli.nets.network import NetworkShape, build_derived
    from dnas_cli.space.coding import ArchitectureCoding

    for name, value in (("width", width), ("bands", bands), ("classes", classes)):
        if value < 1:
            raise UsageError(f"{name}={value}: must be at least 1.")
    if not isinstance(coding, ArchitectureCoding):
        coding = ArchitectureCoding.read(Path(coding))
    return build_derived(coding, NetworkShape(width, bands, classes))


def count_cost(path: AnyPath, **options: Unpack[CostOptions]) -> "ModelCost":
    """Count what a model or an architecture costs (method, section 7); it needs no weights.

    Args:
        path: A model file, or an architecture coding.
        options: See `CostOptions`; a model has its own size.

    Raises:
        DataError: It is neither, or is damaged.
        UsageError: A size cannot work.
    """
    from dnas_cli.model.cost import cost_of_file

    return cost_of_file(Path(path), completed(CostOptions, options))
