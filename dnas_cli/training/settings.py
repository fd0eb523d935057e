"""The settings of a search or a retraining: typed, validated where they are made, stored in runs.

Presets, YAML files, flags and the record of an existing run all go through `SettingsChoice`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from dnas_cli.errors import DataError, RunStateError, UsageError
from dnas_cli.run.manifest import WIDTHS, is_width
from dnas_cli.yaml_files import read_yaml

Loss = Literal["cross-entropy", "focal"]
OptimizerName = Literal["sgd", "adamw"]
Augmentation = Literal["mirror", "dihedral", "photometric", "scale"]
ClassWeights = Literal["equal", "balanced"]
Keep = Literal["best", "last", "average"]
Preset = Literal["paper", "quick"]

LARGEST = 1_000_000_000  # of any setting


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What searching and retraining share (method, section 6).

    Attributes:
        epochs: Passes over the training data.
        batch: Tiles per step.
        crop: Size of the random crop in pixels; tiles that are not larger, or 0, stay whole.
        learning_rate: Of the weights, at the start.
        final_learning_rate: At the end of the cosine.
        optimizer: Of the weights: `sgd`, or `adamw`, which gets farther in few steps.
        momentum: Of the optimizer; of AdamW it is the first beta.
        weight_decay: Of the weights.
        loss: `cross-entropy`, or `focal` (gamma 2, alpha 0.5).
        class_weights: `equal`, or `balanced`: pixels of rare classes count more.
        augment: `mirror` (horizontal, as in the paper), `dihedral` (mirrors and quarter turns),
            `photometric` (dihedral, and random exposure and haze), or `scale` (photometric, and
            some tiles larger or smaller).
        validate_every: Epochs between validations; the last epoch is always validated.
        seed: Of everything random.
    """

    epochs: int
    batch: int = 2
    crop: int = 0
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    optimizer: OptimizerName = "sgd"
    momentum: float = 0.9
    weight_decay: float = 3e-4
    loss: Loss = "cross-entropy"
    class_weights: ClassWeights = "equal"
    augment: Augmentation = "mirror"
    validate_every: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for item in fields(self):
            _check_type(item.name, getattr(self, item.name), item.type)
        _require(self.epochs >= 1, "epochs must be at least 1")
        _require(self.batch >= 1, "batch must be at least 1")
        _require(self.crop >= 0, "crop must be 0 (whole tiles) or a size in pixels")
        _require(self.validate_every >= 1, "validate-every must be at least 1")
        _require(self.seed >= 0, "seed must be 0 or more")
        _require(
            0 < self.final_learning_rate <= self.learning_rate,
            "learning rates must be above 0, and the final one not above the first",
        )
        _require(0 <= self.momentum < 1, "momentum must be from 0 to below 1")
        _require(self.weight_decay >= 0, "weight-decay must be 0 or more")
        _require(
            self.optimizer in get_args(OptimizerName),
            f"optimizer must be one of {get_args(OptimizerName)}",
        )
        _require(self.loss in get_args(Loss), f"loss must be one of {get_args(Loss)}")
        _require(
            self.class_weights in get_args(ClassWeights),
            f"class-weights must be one of {get_args(ClassWeights)}",
        )
        _require(
            self.augment in get_args(Augmentation),
            f"augment must be one of {get_args(Augmentation)}",
        )


@dataclass(frozen=True, kw_only=True)
class SearchSettings(TrainingSettings):
    """The settings of a search stage.

    Attributes:
        logits_from: First epoch (counted from 0) in which architecture logits learn.
        logit_learning_rate: Of Adam.
        logit_weight_decay: Of Adam.
    """

    epochs: int = 60
    logits_from: int = 20
    logit_learning_rate: float = 3e-3
    logit_weight_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(
            0 <= self.logits_from < self.epochs,
            f"logits-from ({self.logits_from}) must be below epochs ({self.epochs}), "
            "else the logits never learn; give a smaller --logits-from, or more --epochs",
        )
        _require(self.logit_learning_rate > 0, "logit-learning-rate must be above 0")
        _require(self.logit_weight_decay >= 0, "logit-weight-decay must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class RetrainSettings(TrainingSettings):
    """The settings of retraining.

    Attributes:
        width: Channels of the finest scale; 0 takes the run's.
        keep: The weights the model gets: of the epoch that was `best` on the validation split, of
            the `last` one, or the moving `average` over the last steps. On few validation tiles
            the best is one that was lucky there.
    """

    epochs: int = 200
    width: int = 0
    keep: Keep = "best"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.width == 0 or is_width(self.width), f"width must be {WIDTHS}")
        _require(self.keep in get_args(Keep), f"keep must be one of {get_args(Keep)}")


NETWORK_SIZES: dict[Preset, dict[str, int]] = {
    "paper": {"layers": 12, "width": 40},
    "quick": {"layers": 5, "width": 8},
}
"""Layers and width of a network by preset."""

_QUICK = {
    # Whole tiles, as maps are made of: on a crop of half the size the outer weights of a wide
    # convolution see nothing but padding, and say anything once there is more.
    "batch": 4,
    "optimizer": "adamw",
    "learning_rate": 0.002,
    "final_learning_rate": 5e-5,
    "weight_decay": 0.01,
    "augment": "scale",
    "class_weights": "balanced",
    "validate_every": 2,
}
_PRESETS: dict[tuple[str, type[TrainingSettings]], dict[str, Any]] = {
    ("paper", SearchSettings): {},
    ("paper", RetrainSettings): {},
    ("quick", SearchSettings): {
        **_QUICK,
        "epochs": 12,
        "logits_from": 6,
        "logit_learning_rate": 0.03,
    },
    ("quick", RetrainSettings): {**_QUICK, "epochs": 20},
}

Settings = TypeVar("Settings", bound=TrainingSettings)


@dataclass(frozen=True)
class SettingsChoice:
    """Where the settings of a stage come from.

    Attributes:
        preset: The base.
        file: A YAML file of settings; goes over the preset.
        flags: What was given on the command line; goes over the file. None means not given.
    """

    preset: Preset = "paper"
    file: Path | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)

    def resolve(self, kind: type[Settings], stored: Mapping[str, Any]) -> Settings:
        """Return the settings, or those of an existing stage if what is given agrees with them.

        Args:
            kind: `SearchSettings` or `RetrainSettings`.
            stored: What an existing stage was started with; empty for a new one.

        Raises:
            UsageError: A value cannot work.
            DataError: The file cannot be read, or holds unknown keys or values that cannot work.
            RunStateError: Something given differs from the stored settings.
        """
        flags = {key: value for key, value in self.flags.items() if value is not None}
        given = flags if self.file is None else {**_read_yaml(self.file, kind), **flags}
        preset = _PRESETS[self.preset, kind]
        if not stored:
            try:
                return _build(kind, {**preset, **given})
            except UsageError as error:
                if self.file is None or _fault(kind, {**preset, **flags}) == error.what:
                    raise
                raise DataError(f"{self.file}: {error.what}", error.remedy) from error
        if self.preset != "paper":  # which is meant, too, where none is given
            # A setting that is younger than the stage has its default there, whatever the preset.
            given = {**{key: preset[key] for key in preset.keys() & stored.keys()}, **given}
        built = _build(kind, stored)
        _refuse_differences(given, asdict(built))
        return built


def _refuse_differences(given: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    different = [
        f"{name(key)} {stored.get(key)} (now {value})"
        for key, value in given.items()
        if stored.get(key) != value
    ]
    if different:
        raise RunStateError(
            f"this stage was started with other settings: {', '.join(different)}.",
            "Leave them out, and --preset, to go on as before. For others: keep both with --branch "
            "NEW_RUN, add epochs to a finished stage with --extend N, or start it over with "
            "--restart --overwrite.",
        )


def name(key: str) -> str:
    """Return a setting's name as it is written on the command line."""
    return key.replace("_", "-")


def settings_to_json(settings: TrainingSettings) -> dict[str, Any]:
    """Return settings as plain data."""
    return asdict(settings)


def _build(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    known = [item.name for item in fields(kind)]
    for key in values:
        if key not in known:
            raise UsageError(f"unknown setting {name(key)!r}.", _nearest(key, known))
    return kind(**values)


def _fault(kind: type[TrainingSettings], values: Mapping[str, Any]) -> str:
    """Return what is wrong with values; empty if nothing is."""
    try:
        _build(kind, values)
    except UsageError as error:
        return error.what
    return ""


def _read_yaml(file: Path, kind: type[TrainingSettings]) -> dict[str, Any]:
    content = read_yaml(file)
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise DataError(f"{file}: must hold `setting: value` lines.")
    known = [item.name for item in fields(kind)]
    values = {key.replace("-", "_"): value for key, value in content.items()}
    for key in values:
        if key not in known:
            raise DataError(f"{file}: unknown setting {name(key)!r}.", _nearest(key, known))
    for item in fields(kind):
        if item.name in values:
            try:
                _check_type(item.name, values[item.name], item.type)
            except UsageError as error:
                raise DataError(f"{file}: {error}") from error
    return values


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    if close:
        return f"Did you mean {name(close[0])!r}?"
    return f"Known are: {', '.join(name(item) for item in known)}."


def _check_type(key: str, value: Any, annotation: Any) -> None:
    if annotation is float:
        right = isinstance(value, int | float) and not isinstance(value, bool)
    elif annotation is int:
        right = isinstance(value, int) and not isinstance(value, bool)
    else:
        right = isinstance(value, str)
    if not right:
        raise UsageError(f"setting {name(key)}: {value!r} is not of the right type.")
    if not isinstance(value, str) and not abs(value) <= LARGEST:  # neither is NaN
        raise UsageError(f"setting {name(key)}: {value!r} is out of range.")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise UsageError(f"settings: {what}.")
