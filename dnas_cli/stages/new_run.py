"""What a command needs to create a run."""

from dataclasses import dataclass
from pathlib import Path

from dnas_cli.errors import UsageError
from dnas_cli.run.given_settings import Preset
from dnas_cli.run.settings import NETWORK_SIZES, WIDTHS, is_width
from dnas_cli.space.lattice import MAX_LAYERS
from dnas_cli.typed_fields import option


@dataclass(frozen=True)
class NewRun:
    """Tile set and network size of a new run."""

    data: Path | None = option(None, "Tile set of a new run.", metavar="TILES", panel="Network")
    layers: int | None = option(None, "Of a new run. [default: 12; quick: 5]", panel="Network")
    width: int | None = option(None, "Of a new run. [default: 40; quick: 16]", panel="Network")

    def size(self, preset: Preset | None) -> tuple[int, int]:
        """Return layers of the lattice and channels of the finest scale.

        Raises:
            UsageError: No network can have them.
        """
        size = NETWORK_SIZES[preset or "paper"]
        layers = size["layers"] if self.layers is None else self.layers
        width = size["width"] if self.width is None else self.width
        check_size(layers, width)
        return layers, width


def check_size(layers: int, width: int) -> None:
    """Check that a network can be searched; one of one layer, which can be adopted, cannot.

    Raises:
        UsageError: It cannot.
    """
    if not 2 <= layers <= MAX_LAYERS:
        raise UsageError(f"layers={layers}: must be from 2 to {MAX_LAYERS}.")
    if not is_width(width):
        raise UsageError(f"width={width}: must be {WIDTHS}.")
