"""How long the settings hold that a command gives."""

from dnas_cli.run.given_settings import RunSettings
from dnas_cli.run.manifest import STAGES
from dnas_cli.run.settings import TrainingSettings
from dnas_cli.stages.stage_options import StageOptions
from dnas_cli.training.settings_choice import SettingsChoice


def hold_settings(
    settings: RunSettings,
    stage: str,
    kind: type[TrainingSettings],
    choice: SettingsChoice,
    options: StageOptions,
) -> RunSettings:
    """Return the settings of a run with those that a command gives to a stage.

    What stage 1 is given, or a search in a branch, holds for all later stages.

    Args:
        stage: `stage1` to `stage3`, or `retrain`.
        choice: What is given now.
        options: Whether the stage is of a branch.
    """
    given = choice.within(settings, stage, kind).given(kind)
    if stage == STAGES[0] or (options.branch is not None and stage != STAGES[-1]):
        return settings.with_all(given, STAGES[STAGES.index(stage) :])
    return settings.with_stage(stage, given)
