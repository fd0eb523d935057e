"""Random architectures of about the cost of a found one, each trained in a run of its own."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnas_cli.console import progress
from dnas_cli.errors import RunStateError
from dnas_cli.nets.network import NetworkShape
from dnas_cli.run.directory import Run
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.random_architectures import random_architectures
from dnas_cli.stages.compute_options import ComputeOptions
from dnas_cli.stages.lattice_costs import LatticeCosts
from dnas_cli.stages.retrain import retrain
from dnas_cli.training.settings_choice import SettingsChoice

_NEAR = 0.05  # of the found network's multiply-accumulates
_MOST_DRAWS = 3000


def draw_of_equal_cost(
    found: ArchitectureCoding, shape: NetworkShape, size: int, count: int, seed: int | str
) -> list[ArchitectureCoding]:
    """Return random architectures that cost within 5 % of what a found one does.

    Args:
        found: The found architecture; it is not drawn.
        shape: Of the networks.
        size: Height and width of the tile that costs count for.
        count: How many.
        seed: Of the draws.

    Raises:
        RunStateError: There are hardly any.
    """
    wanted, drawn = cost_of(found, shape, size), list[ArchitectureCoding]()
    with progress("random architectures", count) as advance:
        source = random_architectures(found.graph.layers, seed)
        for coding in itertools.islice(source, _MOST_DRAWS):
            if len(drawn) == count:
                return drawn
            near = abs(cost_of(coding, shape, size) / wanted - 1) <= _NEAR
            if near and coding not in drawn and coding.body() != found.body():
                drawn.append(coding)
                advance(1)
    raise RunStateError(
        f"only {len(drawn)} of {_MOST_DRAWS:,} random architectures cost about as much as the "
        f"found one ({wanted / 1e9:.2f} G multiply-accumulates).",
        f"Give random={len(drawn)}." if drawn else "",
    )


def cost_of(coding: ArchitectureCoding, shape: NetworkShape, size: int) -> int:
    """Return the multiply-accumulates of an architecture for a tile."""
    return LatticeCosts(shape, size).of_coding(coding)


def train_apart(
    run: Run,
    place: Path,
    coding: ArchitectureCoding,
    settings: Mapping[str, Any],
    compute: ComputeOptions,
    until: int | None = None,
) -> Run:
    """Train an architecture on a run's tile set, in a run of its own, and resume that.

    Args:
        run: Its tile set and width are taken.
        place: The run of the architecture's own.
        coding: The architecture.
        settings: Of a retraining.
        compute: Device, workers and the like.
        until: Epochs after which training pauses; None trains to the end.
    """
    file = place.parent / "codings" / f"{place.name}.json"
    if not file.is_file():
        coding.write(file)
    width = settings.get("width") or run.manifest.width
    choice = SettingsChoice(flags={**settings, "width": width, "tournament": 0})
    return retrain(
        place, choice, compute, architecture=file, tile_set=run.tile_set_path, until=until
    )
