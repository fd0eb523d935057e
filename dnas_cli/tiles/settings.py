"""The settings of a tile set, and their comparison."""

import math
from dataclasses import dataclass, field
from typing import Any

from dnas_cli.container import usable_processors
from dnas_cli.datasets.description import DatasetDescription
from dnas_cli.datasets.path_patterns import safe_name
from dnas_cli.errors import UsageError
from dnas_cli.shard import Shard
from dnas_cli.tiles.lists import SplitBy

_LARGEST_TILE = 16384
_WORTH_A_PROCESS = 16 << 20  # pixels, which are cut in the time that a process takes to start


@dataclass(frozen=True)
class TilingSettings:
    """How scenes are cut and split.

    `scenes` holds the named scenes by split; the other fields are those of `TileOptions`.

    Raises:
        UsageError: Values that cannot work.
    """

    description: DatasetDescription
    size: int = 512
    split_by: SplitBy = "scene"
    ratio: tuple[int, int, int] = (6, 2, 2)
    seed: int = 0
    scenes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    max_unknown: float = 0.05
    labels_as_is: bool = False
    keep_empty: bool = False
    groups_overlaps: bool = True
    resample: float | None = None

    def __post_init__(self) -> None:
        if not 16 <= self.size <= _LARGEST_TILE:
            raise UsageError(f"size={self.size}: must be from 16 to {_LARGEST_TILE} pixels.")
        if not 0 <= self.max_unknown <= 1:
            raise UsageError(f"max_unknown={self.max_unknown}: must be from 0 to 1.")
        if min(self.ratio) < 0 or self.ratio[0] <= 0 or max(self.ratio) > 10_000:
            raise UsageError(
                f"split={':'.join(map(str, self.ratio))}: needs parts for train, val and test, "
                "and some for train."
            )
        if self.resample is not None and not 0 < self.resample < math.inf:
            raise UsageError(f"resample={self.resample}: must be metres above zero.")
        named: dict[str, str] = {}
        for split, scenes in self.scenes:
            for scene in scenes:
                if named.setdefault(safe_name(scene), split) != split:
                    raise UsageError(f"scene {scene!r} is named for two splits.")

    @property
    def named_scenes(self) -> dict[str, tuple[str, ...]]:
        """The named scenes of each split that has any."""
        return dict(self.scenes)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data, to compare with those of an existing tile set."""
        return {
            "dataset": self.description.to_json(),
            "size": self.size,
            "split_by": "block" if self.split_by == "tile" else self.split_by,  # as in older sets
            "split": list(self.ratio),
            "seed": self.seed,
            "scenes": {split: sorted(scenes) for split, scenes in self.scenes},
            "max_unknown": self.max_unknown,
            # Settings of later versions are left out at their default: older sets do not know them.
            **({"labels_as_is": True} if self.labels_as_is else {}),
            **({"keep_empty": True} if self.keep_empty else {}),
            **({} if self.groups_overlaps else {"groups_overlaps": False}),
            **({} if self.resample is None else {"resample": self.resample}),
        }


@dataclass(frozen=True)
class TilingOptions:
    """How to make a tile set; none of these changes its content.

    Attributes:
        workers: Processes; as many as save time when missing.
        overwrite: Replace an existing tile set.
        strict: Every problem is an error.
    """

    workers: int | None = None
    overwrite: bool = False
    strict: bool = False
    shard: Shard = field(default_factory=Shard)

    def processes(self, pixels: int) -> int:
        """Return the number of processes for an amount of work, at most one per processor."""
        if self.workers is not None:
            return self.workers
        return max(1, min(usable_processors(), pixels // _WORTH_A_PROCESS))


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """List the differences between two settings, a line each: `size: 512, now 256`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        found = []
        for key in keys:
            inner = f"{where}.{key}" if where else str(key)
            found += differences(old.get(key), new.get(key), inner)
        return found
    return [] if old == new else [f"{where}: {_shown(old)}, now {_shown(new)}"]


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
