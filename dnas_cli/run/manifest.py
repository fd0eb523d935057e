"""The manifest of a run: `run.json`, as typed values."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.space.lattice import MAX_LAYERS

SCHEMA = "dnas/run"
VERSION = 1
MAX_WIDTH = 1024
WIDTHS = f"an even number from 2 to {MAX_WIDTH}"
"""What the width of a network must be, in words."""

Phase = Literal["encoded", "started", "finished", "decoded"]
PHASES: tuple[Phase, ...] = ("encoded", "started", "finished", "decoded")
STAGES = ("stage1", "stage2", "stage3", "retrain")


@dataclass(frozen=True)
class StageRecord:
    """What the manifest knows of a stage.

    Attributes:
        phase: `encoded` (space written), `started`, `finished` (trained), `decoded`.
        settings: The settings it was started with; empty before.
        epochs_done: Epochs completed.
        decoded: How the coding was read off: epoch and rule; empty before.
        extensions: Epochs added after the stage was finished, with the rule of their learning rate.
        memory: How the network is executed in training (`plain`, `fast` or `low`): the same numbers
            but for rounding, so that going on with another is allowed; empty before.
        preset: Where the settings came from: `paper` or `quick`; empty before.
    """

    phase: Phase
    settings: dict[str, Any] = field(default_factory=dict)
    epochs_done: int = 0
    decoded: dict[str, Any] = field(default_factory=dict)
    extensions: list[dict[str, Any]] = field(default_factory=list)
    memory: str = ""
    preset: str = ""

    def with_phase(self, phase: Phase, epochs_done: int | None = None) -> "StageRecord":
        """Return the record in another phase."""
        done = self.epochs_done if epochs_done is None else epochs_done
        return replace(self, phase=phase, epochs_done=done)

    @property
    def finished(self) -> bool:
        """Whether training is complete."""
        return self.phase in ("finished", "decoded")


@dataclass(frozen=True)
class TileSetLink:
    """The tile set of a run: where it is, and what it must be.

    Attributes:
        path: Relative to the run directory, so that both can move together.
        fingerprint: Hash of the tile set's content.
        absolute: Where it was when the run began; looked at when nothing is at `path`, so that the
            run can move alone.
    """

    path: str
    fingerprint: str
    absolute: str = ""


@dataclass(frozen=True)
class Lineage:
    """The run that a branch came from, and the last stage it took over."""

    parent: str
    taken_over: str
    created: str


@dataclass(frozen=True)
class Manifest:
    """The content of `run.json`.

    Attributes:
        dnas: Version that created the run.
        created: UTC time, ISO 8601.
        tile_set: The data.
        layers: Layers of the lattice.
        width: Channels of the finest scale.
        lineage: The parent of a branch.
        stages: Records by stage name.
    """

    dnas: str
    created: str
    tile_set: TileSetLink
    layers: int
    width: int
    lineage: Lineage | None = None
    stages: dict[str, StageRecord] = field(default_factory=dict)

    def with_stage(self, name: str, record: StageRecord) -> "Manifest":
        """Return the manifest with one stage's record replaced."""
        return replace(self, stages={**self.stages, name: record})

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as plain data."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "dnas": self.dnas,
            "created": self.created,
            "tile_set": vars(self.tile_set),
            "network": {"layers": self.layers, "width": self.width},
            "lineage": vars(self.lineage) if self.lineage else None,
            "stages": {name: vars(record) for name, record in self.stages.items()},
        }

    @staticmethod
    def from_json(value: Any, name: str) -> "Manifest":
        """Build the manifest from plain data.

        Raises:
            DataError: It is not a manifest, or one of another version.
        """
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            raise DataError(f"{name}: is not the manifest of a run.")
        if value.get("version") != VERSION:
            raise DataError(
                f"{name}: run version {value.get('version')!r} is not version {VERSION}.",
                "The run was written by another version of dnas; use that one.",
            )
        try:
            lineage = value["lineage"]
            return Manifest(
                dnas=str(value["dnas"]),
                created=str(value["created"]),
                tile_set=TileSetLink(**_known(TileSetLink, _texts(value["tile_set"]))),
                layers=_within(value["network"]["layers"], 1, MAX_LAYERS),
                width=_within(value["network"]["width"], 2, MAX_WIDTH),
                lineage=Lineage(**_known(Lineage, _texts(lineage))) if lineage else None,
                stages={key: _record(key, item) for key, item in value["stages"].items()},
            )
        except MALFORMED as error:
            reason = f"no {error}" if isinstance(error, KeyError) else brief(error)
            raise DataError(f"{name}: is not a valid manifest ({reason}).") from error


def _record(name: str, value: dict[str, Any]) -> StageRecord:
    record = StageRecord(**_known(StageRecord, value))
    if name not in STAGES or record.phase not in PHASES:
        raise ValueError(f"stage {name!r} in phase {record.phase!r}")
    _within(record.epochs_done, 0, 1 << 31)
    if not isinstance(record.settings, dict) or not isinstance(record.decoded, dict):
        raise TypeError(f"the settings of {name} are no object")
    if not isinstance(record.extensions, list):
        raise TypeError(f"the extensions of {name} are no list")
    for item in record.extensions:
        _within(item["epochs"], 1, 1 << 31)
    if not isinstance(record.memory, str) or not isinstance(record.preset, str):
        raise TypeError(f"memory or preset of {name} is no text")
    if record.settings and not record.memory:
        return replace(record, memory="plain")  # begun when there was no other
    return record


def is_width(width: int) -> bool:
    """Whether a network may have so many channels at its finest scale; the stem halves them."""
    return 2 <= width <= MAX_WIDTH and width % 2 == 0


def _known(kind: type[Any], value: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(value) - {item.name for item in fields(kind)})
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}")
    return value


def _texts(value: dict[str, Any]) -> dict[str, str]:
    for key, item in value.items():
        if not isinstance(item, str) or "\0" in item:
            raise TypeError(f"{key} {item!r} is no text")
        if len(item) > 4096 or any(
            len(part.encode("utf-8", "replace")) > 255 for part in item.split("/")
        ):
            raise ValueError(f"{key} is too long")
    return value


def _within(value: Any, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise ValueError(f"{value!r} is not a whole number from {lowest} to {highest}")
    return value
