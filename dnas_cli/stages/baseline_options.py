"""How large a baseline is: the options of `dnas baseline`."""

from dataclasses import dataclass

from dnas_cli.errors import UsageError
from dnas_cli.tiles.lists import Split
from dnas_cli.typed_fields import option


@dataclass(frozen=True)
class BaselineOptions:
    """How many networks are trained, and what they are scored on."""

    random: int = option(8, "Random architectures of about the same cost.")
    seeds: int = option(3, "Trainings of each network, the found one included.")
    split: Split = option("test", "What they are scored on.")
    seed: int = option(0, "Of the draws of architectures.")

    def __post_init__(self) -> None:
        for name, least in (("random", 1), ("seeds", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name}={getattr(self, name)}: must be at least {least}.")
