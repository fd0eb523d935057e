"""The settings that a run was given: they hold for its later stages, branches and retraining."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from dnas_cli.typed_fields import SettingValue

Preset = Literal["paper", "quick"]
Recipe = Literal["plain", "strong"]


@dataclass(frozen=True)
class GivenSettings:
    """The settings that a command gives, as opposed to defaults.

    Attributes:
        preset: The base; empty for none.
        recipe: Over the preset; empty for none.
        values: Single settings by name, over both.
    """

    preset: Literal["", Preset] = ""
    recipe: Literal["", Recipe] = ""
    values: dict[str, SettingValue] = field(default_factory=dict)

    def over(self, below: "GivenSettings") -> "GivenSettings":
        """Return both, these over the ones below."""
        return GivenSettings(
            self.preset or below.preset,
            self.recipe or below.recipe,
            {**below.values, **self.values},
        )

    def without(self, other: "GivenSettings") -> "GivenSettings":
        """Return what the other ones do not replace."""
        return GivenSettings(
            "" if other.preset else self.preset,
            "" if other.recipe else self.recipe,
            {key: value for key, value in self.values.items() if key not in other.values},
        )


@dataclass(frozen=True)
class RunSettings:
    """All settings that a run was given.

    Attributes:
        all: For every stage: those of stage 1, and those of a branch.
        stages: By stage name, what goes over them there.
    """

    all: GivenSettings = field(default_factory=GivenSettings)
    stages: dict[str, GivenSettings] = field(default_factory=dict)

    def with_all(self, given: GivenSettings, replaced: Iterable[str]) -> "RunSettings":
        """Return these with settings for every stage.

        Args:
            replaced: Stages in which they go over what was given for the stage alone.
        """
        kept = {name: self.stages[name].without(given) for name in replaced if name in self.stages}
        return replace(self, all=given.over(self.all), stages={**self.stages, **kept})

    def with_stage(self, name: str, given: GivenSettings) -> "RunSettings":
        """Return these with settings for one stage."""
        if given == GivenSettings():
            return self
        merged = given.over(self.stages.get(name, GivenSettings()))
        return replace(self, stages={**self.stages, name: merged})
