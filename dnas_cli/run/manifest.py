"""The manifest of a run: `run.json`, as typed values."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from dnas_cli.errors import MALFORMED, DataError, UsageError, brief
from dnas_cli.json_files import check_schema
from dnas_cli.run.given_settings import GivenSettings, Preset, RunSettings
from dnas_cli.run.settings import MAX_WIDTH, STAGE_SETTINGS, WIDTHS, SearchSettings, is_width
from dnas_cli.space.lattice import MAX_LAYERS
from dnas_cli.typed_fields import SettingValue, build, built_fields, option

SCHEMA = "dnas/run"
VERSION = 1

Phase = Literal["encoded", "started", "finished", "decoded"]
Rule = Literal["final", "cosine"]
STAGES = tuple(STAGE_SETTINGS)
_HEADER = ("schema", "version", "network")
_RENAMED = {"warm_up": "rate_warm_up"}
_MOST = 1 << 31  # epochs


@dataclass(frozen=True)
class Extension:
    """Epochs added to a finished stage.

    Attributes:
        epochs: How many.
        rule: `final` keeps the final learning rate, `cosine` starts again at the first one.
    """

    epochs: int = option(1, at_least=1, at_most=_MOST)
    rule: Rule = "final"


@dataclass(frozen=True)
class StageRecord:
    """The record of a stage in the manifest.

    Attributes:
        phase: `encoded` (space written), `started`, `finished` (trained), `decoded`.
        settings: The settings it was started with; empty until then.
        epochs_done: Epochs completed.
        decoded: Epoch and rule of the decoding; empty until then.
        extensions: Epochs added to the finished stage, with the rule of their learning rate.
        memory: How the network is executed in training (`plain`, `fast` or `low`): the same numbers
            but for rounding, so that a resumed stage may change it; empty until it starts.
        preset: The base of the settings: `paper` or `quick`; empty until it starts.
    """

    phase: Phase
    settings: dict[str, SettingValue] = field(default_factory=dict)
    epochs_done: int = option(0, at_least=0, at_most=_MOST)
    decoded: dict[str, SettingValue] = field(default_factory=dict)
    extensions: tuple[Extension, ...] = ()
    memory: str = ""
    preset: Literal["", Preset] = ""

    def with_phase(self, phase: Phase, epochs_done: int | None = None) -> "StageRecord":
        """Return a copy in another phase."""
        done = self.epochs_done if epochs_done is None else epochs_done
        return replace(self, phase=phase, epochs_done=done)

    @property
    def finished(self) -> bool:
        """Whether training is complete."""
        return self.phase in ("finished", "decoded")


@dataclass(frozen=True)
class TileSetLink:
    """The tile set of a run: its location and its content.

    Attributes:
        path: Relative to the run directory, so that both can move together.
        fingerprint: Hash of the tile set's content.
        absolute: Its location when the run started; used when nothing is at `path`, so that the
            run can move alone.
    """

    path: str
    fingerprint: str
    absolute: str = ""

    def __post_init__(self) -> None:
        _check_paths(self.path, self.fingerprint, self.absolute)


@dataclass(frozen=True)
class Lineage:
    """The parent of a branch, and the last stage copied from it."""

    parent: str
    taken_over: str
    created: str

    def __post_init__(self) -> None:
        _check_paths(self.parent, self.taken_over)


@dataclass(frozen=True)
class Manifest:
    """The content of `run.json`.

    Attributes:
        dnas: Version that created the run.
        created: UTC time, ISO 8601.
        width: Channels of the finest scale.
        lineage: The parent of a branch.
        stages: Records by stage name.
    """

    dnas: str
    created: str
    tile_set: TileSetLink
    layers: int = option(12, at_least=1, at_most=MAX_LAYERS)
    width: int = option(40, at_least=2, at_most=MAX_WIDTH)
    lineage: Lineage | None = None
    stages: dict[str, StageRecord] = field(default_factory=dict)
    settings: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        if unknown := sorted({*self.stages, *self.settings.stages} - set(STAGES)):
            raise ValueError(f"unknown stage {unknown[0]}")
        if not is_width(self.width):
            raise ValueError(f"width {self.width} is not {WIDTHS}")

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
            "stages": {name: asdict(record) for name, record in self.stages.items()},
            "settings": asdict(self.settings),
        }

    @staticmethod
    def from_json(value: Any, name: str) -> "Manifest":
        """Build the manifest from plain data.

        Raises:
            DataError: It is not a manifest, or one of another version.
        """
        check_schema(value, SCHEMA, VERSION, name, "manifest of a run")
        try:
            content = {key: item for key, item in value.items() if key not in _HEADER}
            manifest = build(Manifest, {**content, **value["network"]})
            manifest = _renamed(manifest)
            _check_settings(manifest)
        except (*MALFORMED, UsageError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else brief(error)
            raise DataError(f"{name}: is not a valid manifest ({reason}).") from error
        plain = {
            key: replace(record, memory="plain")  # started when there was no other mode
            for key, record in manifest.stages.items()
            if record.settings and not record.memory
        }
        manifest = replace(manifest, stages={**manifest.stages, **plain})
        if "settings" in value:
            return manifest
        presets = [item.preset for item in manifest.stages.values() if item.preset]
        return replace(manifest, settings=RunSettings(GivenSettings(presets[0] if presets else "")))


def _renamed(manifest: "Manifest") -> "Manifest":
    """Return a manifest with today's names of the settings of its stages."""

    def settings(old: dict[str, Any]) -> dict[str, Any]:
        values = {_RENAMED.get(key, key): value for key, value in old.items()}
        if "logits_from" in values:  # the number of epochs in which only weights learn
            values["warmup"] = values.pop("logits_from") / values["epochs"]
        return values

    records = manifest.stages.items()
    stages = {name: replace(item, settings=settings(item.settings)) for name, item in records}
    return replace(manifest, stages=stages)


def _check_settings(manifest: "Manifest") -> None:
    """Check the settings of stages, and what the run was given.

    Raises:
        ValueError, UsageError: One cannot be.
    """
    for name, record in manifest.stages.items():
        if record.settings:
            where = f"stages.{name}.settings"
            build(STAGE_SETTINGS[name], record.settings, where)
            # Others may be younger than the stage.
            if missing := {"epochs", "seed"} - record.settings.keys():
                raise ValueError(f"{where}.{min(missing)} is missing")
    built_fields(SearchSettings, manifest.settings.all.values, "settings.all.values")
    for name, given in manifest.settings.stages.items():
        built_fields(STAGE_SETTINGS[name], given.values, f"settings.stages.{name}.values")


def _check_paths(*texts: str) -> None:
    for text in texts:
        if "\0" in text or len(text) > 4096:
            raise ValueError(f"{text:.60} is not a path")
        if any(len(part.encode("utf-8", "replace")) > 255 for part in text.split("/")):
            raise ValueError(f"{text:.60} is too long")
