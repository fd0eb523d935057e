"""The sources of a stage's settings: a preset, a YAML file, options, or an existing stage."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.training.settings import Preset, Recipe, Settings, TrainingSettings
from dnas_cli.typed_fields import convert, did_you_mean, option_of, spelled, types_of
from dnas_cli.yaml_files import read_yaml

WAYS_OUT = (
    "keep both with branch=NEW_RUN, add epochs to a finished stage with extend=N, or start it over "
    "with restart=True and overwrite=True."
)


@dataclass(frozen=True)
class SettingsChoice:
    """The sources of a stage's settings.

    Attributes:
        preset: The base.
        file: A YAML file of settings; overrides the preset.
        flags: Options on the command line; override the file. None means not given.
        recipe: `strong` overrides the preset.
    """

    preset: Preset = "paper"
    file: Path | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe = "plain"

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
        flags = {key: value for key, value in self.flags.items() if value is not None}
        given = flags if self.file is None else {**_read_settings(self.file, kind), **flags}
        preset = _preset(self.preset, self.recipe, kind)
        if not stored:
            try:
                return _build(kind, {**preset, **given})
            except UsageError as error:
                if self.file is None or _fault(kind, {**preset, **flags}) == error.what:
                    raise
                raise DataError(f"{self.file}: {error.what}", error.remedy) from error
        # The preset that is meant where none is given counts for nothing here. A setting that is
        # younger than the stage has its default there, whatever the preset.
        given = {**{key: preset[key] for key in preset.keys() & stored.keys()}, **given}
        built = _build(kind, stored)
        _refuse_differences(given, asdict(built))
        return built


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


def _build(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    for key in values:
        _check_known(key, kind)
    return kind(**values)


def _check_known(key: str, kind: type[TrainingSettings]) -> None:
    known = [item.name for item in fields(kind)]
    if key not in known:
        hint = did_you_mean(spelled(key), [spelled(name) for name in known])
        raise UsageError(f"unknown setting {spelled(key)}.", hint.lstrip())


def _fault(kind: type[TrainingSettings], values: Mapping[str, Any]) -> str:
    """Return the faults of values; empty if there are none."""
    try:
        _build(kind, values)
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
            convert(value, types_of(kind)[key], spelled(key))
    except UsageError as error:
        raise DataError(f"{file}: {error.what}", error.remedy) from error
    except ValueError as error:
        raise DataError(f"{file}: {str(error).rstrip('.')}.") from error
    return values
