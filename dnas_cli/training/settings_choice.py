"""The sources of a stage's settings: a preset, a YAML file, options, or an existing stage."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.run.given_settings import GivenSettings, Preset, Recipe, RunSettings
from dnas_cli.run.settings import SearchSettings, Settings, TrainingSettings
from dnas_cli.typed_fields import (
    SettingValue,
    convert,
    did_you_mean,
    option,
    option_of,
    spelled,
    types_of,
)
from dnas_cli.yaml_files import read_yaml

WAYS_OUT = (
    "keep both with branch=NEW_RUN, add epochs to a finished stage with extend=N, or start it over "
    "with restart=True and overwrite=True."
)

LOGITS_FROM = "logits_from"
"""Another name of `warmup`, as the number of an epoch from 1; it needs the number of epochs."""


@dataclass(frozen=True)
class Sources:
    """Where the settings of a stage come from, beside single options."""

    preset: Preset | None = option(
        None,
        "The paper's settings, or quick ones for a laptop. [default: the run's, else paper]",
        panel="Training",
    )
    recipe: Recipe | None = option(
        None, "strong: Dice loss, warm-up, strong augmentation, averaged weights.", panel="Training"
    )
    settings: Path | None = option(
        None, "File of settings; options override it.", metavar="YAML", panel="Training"
    )


@dataclass(frozen=True)
class SettingsChoice:
    """The sources of a stage's settings.

    Attributes:
        preset: The base; None for the run's, else the paper's.
        file: A YAML file of settings; overrides the preset.
        flags: Options on the command line; override the file. None means not given.
        recipe: `strong` overrides the preset; None for the run's, else `plain`.
        inherited: What the run was given earlier; overrides preset and recipe alone.
    """

    preset: Preset | None = None
    file: Path | None = None
    flags: Mapping[str, SettingValue | None] = field(default_factory=dict)
    recipe: Recipe | None = None
    inherited: GivenSettings = field(default_factory=GivenSettings)

    def within(self, settings: RunSettings, stage: str, kind: type[TrainingSettings]) -> Self:
        """Return the choice over what a run was given: in a stage, and for all stages."""
        own, common = settings.stages.get(stage, GivenSettings()), settings.all
        if not issubclass(kind, SearchSettings):  # its epochs, for example, mean something else
            shared = {item.name for item in fields(TrainingSettings)} - {"epochs"}
            values = {key: value for key, value in common.values.items() if key in shared}
            common = replace(common, values=values)
        return replace(self, inherited=own.over(common))

    def given(self, kind: type[TrainingSettings]) -> GivenSettings:
        """Return what is given now, without what is inherited.

        Raises:
            UsageError: A value cannot work.
            DataError: The file cannot be read, or holds unknown keys or values that cannot work.
        """
        values = self._given(kind)
        if values.pop(LOGITS_FROM, None) is not None:
            resolved = self.resolve(kind, {})
            assert isinstance(resolved, SearchSettings)
            values["warmup"] = resolved.warmup
        return GivenSettings(self.preset or "", self.recipe or "", values)

    def base(self) -> Preset:
        """Return the preset that applies."""
        if self.preset is not None:
            return self.preset
        return "quick" if self.inherited.preset == "quick" else "paper"

    def resolve(self, kind: type[Settings], stored: Mapping[str, Any]) -> Settings:
        """Return the settings, or those of an existing stage if the given ones agree with them.

        Args:
            kind: `SearchSettings` or `RetrainSettings`.
            stored: The settings of an existing stage; empty for a new one.

        Raises:
            UsageError: A value cannot work.
            DataError: The file cannot be read, or holds unknown keys or values that cannot work.
            RunStateError: Something given differs from the stored settings.
        """
        given, inherited = self._given(kind), self.inherited
        strong = "strong" in (self.recipe, inherited.recipe if self.recipe is None else "")
        preset = _preset(self.base(), "strong" if strong else "plain", kind)
        base = {**preset, **inherited.values}
        if not stored:
            try:
                return _build(kind, base, given)
            except UsageError as error:
                flags = {key: value for key, value in self.flags.items() if value is not None}
                if self.file is None or _fault(kind, base, flags) == error.what:
                    raise
                raise DataError(f"{self.file}: {error.what}", error.remedy) from error
        # The base that is meant where none is given counts for nothing here. A setting that is
        # younger than the stage has its default there, whatever the preset.
        built = _build(kind, stored, {})
        if (self.preset or "") not in ("", inherited.preset) or (self.recipe or "") not in (
            "",
            inherited.recipe,
        ):
            given = {**{key: base[key] for key in preset.keys() & stored.keys()}, **given}
        _refuse_differences(_without_alias(stored, given), asdict(built))
        return built

    def _given(self, kind: type[TrainingSettings]) -> dict[str, Any]:
        """Return the values of the file with the flags over them."""
        flags = {key: value for key, value in self.flags.items() if value is not None}
        return flags if self.file is None else _joined(_read_settings(self.file, kind), flags)


def _preset(preset: Preset, recipe: Recipe, kind: type[TrainingSettings]) -> dict[str, Any]:
    """Return the changes of a preset and a recipe to the defaults, which are the paper's."""
    rules = {item.name: option_of(item) for item in fields(kind)}
    values = {name: rule.quick for name, rule in rules.items() if preset == "quick"}
    strong = {name: rule.strong for name, rule in rules.items() if recipe == "strong"}
    values |= {name: value for name, value in strong.items() if value is not None}
    return {name: value for name, value in values.items() if value is not None}


def _refuse_differences(given: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    different = [
        f"{spelled(key)} {stored.get(key)} (now {value})"
        for key, value in given.items()
        if stored.get(key) != value
    ]
    if different:
        raise RunStateError(
            f"this stage was started with other settings: {', '.join(different)}.",
            f"Leave them and the preset out to resume it. For others: {WAYS_OUT}",
        )


def _build(kind: type[Settings], base: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
    for key in (*base, *given):
        _check_known(key, kind)
    return kind(**_joined(base, _without_alias(base, given)))


def _joined(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return values over others; the two names of one setting replace each other."""
    names = {"warmup", LOGITS_FROM}
    kept = {k: v for k, v in below.items() if not (k in names and names & over.keys())}
    return {**kept, **over}


def _without_alias(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return given values with `warmup` in place of its other name.

    Raises:
        UsageError: No epoch has that number.
    """
    values = dict(given)
    first = values.pop(LOGITS_FROM, None)
    if first is None:
        return values
    epochs = values.get("epochs", base.get("epochs", SearchSettings.epochs))
    if not (isinstance(first, int) and isinstance(epochs, int) and 1 <= first <= epochs):
        raise UsageError(
            f"settings: logits-from ({first}) must be from 1 to epochs ({epochs}), or the logits "
            "never learn.",
            "Give a smaller logits-from, or more epochs.",
        )
    return {**values, "warmup": (first - 1) / epochs}


def _check_known(key: str, kind: type[TrainingSettings]) -> None:
    known = [item.name for item in fields(kind)]
    known += [LOGITS_FROM] if issubclass(kind, SearchSettings) else []
    if key not in known:
        hint = did_you_mean(spelled(key), [spelled(name) for name in known])
        raise UsageError(f"unknown setting {spelled(key)}.", hint.lstrip())


def _fault(kind: type[TrainingSettings], base: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Return the faults of values; empty if there are none."""
    try:
        _build(kind, base, given)
    except UsageError as error:
        return error.what
    return ""


def _read_settings(file: Path, kind: type[TrainingSettings]) -> dict[str, Any]:
    content = read_yaml(file)
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DataError(f"{file}: must hold `setting: value` lines.")
    values = {key.replace("-", "_"): value for key, value in content.items()}
    try:
        for key, value in values.items():
            _check_known(key, kind)
            convert(value, types_of(kind).get(key, int), spelled(key))
    except UsageError as error:
        raise DataError(f"{file}: {error.what}", error.remedy) from error
    except ValueError as error:
        raise DataError(f"{file}: {str(error).rstrip('.')}.") from error
    return values
