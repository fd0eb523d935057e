"""How large a baseline is: the options of `dnas baseline`."""

import re
from dataclasses import dataclass
from typing import Literal

from dnas_cli.errors import UsageError
from dnas_cli.tiles.lists import Split
from dnas_cli.typed_fields import option

Equal = Literal["steps", "time"]


@dataclass(frozen=True)
class BaselineOptions:
    """How many networks are trained, and what they are scored on."""

    random: int = option(8, "Random architectures of about the same cost.")
    seeds: int = option(3, "Trainings of each network, the found one included.")
    split: Split = option("test", "Split that they are scored on.")
    seed: int = option(0, "Seed of the drawn architectures.")
    candidates: int = option(0, "Further candidates of the search that its supernet scored.")
    peers: str = option("", "Standard networks: unet:mobilenet_v2,...", metavar="NAMES")
    equal: Equal = option("steps", "What peers share with the found network.")

    def __post_init__(self) -> None:
        for name, least in (("random", 1), ("seeds", 1), ("seed", 0), ("candidates", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name}={getattr(self, name)}: must be at least {least}.")
        for name in self.peer_names:
            if not re.fullmatch(r"[\w-]+:[\w.-]+", name):
                raise UsageError(
                    f"peers={name:.60}: is not architecture:encoder, such as unet:resnet18."
                )

    @property
    def peer_names(self) -> tuple[str, ...]:
        """The peers, one by one."""
        return tuple(name.strip() for name in self.peers.split(",") if name.strip())
