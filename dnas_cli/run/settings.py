"""The settings of a search or a retraining: typed, checked when built, stored in runs.

A field is the one place of a setting: its default (the paper's), its value in the preset `quick`,
its rule, and the help of its option.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

from dnas_cli.errors import UsageError
from dnas_cli.run.given_settings import Preset
from dnas_cli.typed_fields import check_fields, option

Loss = Literal["cross-entropy", "focal", "cross-entropy+dice"]
OptimizerName = Literal["sgd", "adamw"]
Augmentation = Literal["mirror", "dihedral", "photometric", "scale", "strong"]
Decay = Literal["cosine", "polynomial"]
ClassWeights = Literal["equal", "balanced"]
Keep = Literal["best", "last", "average"]

NETWORK_SIZES: dict[Preset, dict[str, int]] = {
    "paper": {"layers": 12, "width": 40},
    "quick": {"layers": 5, "width": 16},
}
"""Layers and width of a network by preset."""

MAX_WIDTH = 1024
WIDTHS = f"an even number from 2 to {MAX_WIDTH}"
"""The condition on a network's width, in words."""

_EPOCH_STEPS = "Most steps of an epoch, of other tiles each time; 0: all tiles."


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings that searching and retraining share (method, section 6).

    Raises:
        UsageError: A value cannot work; the message names it.
    """

    epochs: int
    # `quick` trains on whole tiles, as maps are made of: on a crop of half the size the outer
    # weights of a wide convolution see nothing but padding, and say anything once there is more.
    batch: int = option(2, "Tiles per step.", at_least=1, quick=4)
    shards: int = option(
        1,
        "Equal parts of a batch, each with its own batch statistics; torchrun starts at most as "
        "many processes.",
        at_least=1,
    )
    crop: int = option(0, "Random crop in pixels; 0 for whole tiles.", at_least=0)
    learning_rate: float = option(
        0.025, "Of the weights, in the first step.", above=0, quick=0.002, alias="--lr"
    )
    final_learning_rate: float = option(0.001, "Of the weights, at the end.", above=0, quick=5e-5)
    decay: Decay = option("cosine", "Course of the learning rate from first to final.")
    rate_warm_up: float = option(
        0.0,
        "Share of the epochs in which the learning rate grows to the first.",
        at_least=0,
        below=1,
        quick=0.05,
        strong=0.05,
    )
    optimizer: OptimizerName = option(
        "sgd", "Of the weights; adamw needs a learning rate near 0.002.", quick="adamw"
    )
    momentum: float = option(0.9, "Of SGD; the first beta of AdamW.", at_least=0, below=1)
    weight_decay: float = option(3e-4, "Of the weights.", at_least=0, quick=0.01)
    loss: Loss = option(
        "cross-entropy",
        "focal has gamma 2, alpha 0.5.",
        quick="cross-entropy+dice",
        strong="cross-entropy+dice",
    )
    class_weights: ClassWeights = option(
        "equal", "balanced: pixels of rare classes count more.", quick="balanced", strong="balanced"
    )
    augment: Augmentation = option(
        "mirror",
        "mirror, dihedral (adds quarter turns), photometric (adds light and haze), scale (adds "
        "size) or strong (any rotation, half to double size, gamma, contrast, blur, noise).",
        metavar="KIND",
        quick="scale",
        strong="strong",
    )
    light: float = option(
        1.0,
        "Factor on random changes of light; 2 for scenes that differ in it.",
        at_least=0,
        at_most=3,
    )
    rare_share: float = option(
        0.0, "Share of tiles drawn by class, all classes equally often.", at_least=0, at_most=1
    )
    mix_classes: float = option(
        0.0, "Share of tiles that get classes of another one pasted.", at_least=0, at_most=1
    )
    cut_out: float = option(0.0, "Share of tiles that lose a square.", at_least=0, at_most=1)
    head: int = option(
        256, "Channels of the head.", at_least=1, at_most=4096, quick=32, panel="Network"
    )
    epoch_steps: int = option(0, _EPOCH_STEPS, at_least=0, quick=15)
    validate_every: int = option(
        1, "Epochs between validations; the last is always validated.", at_least=1, quick=3
    )
    patience: int = option(
        0, "End a stage after this many epochs without a change or gain; 0: never.", at_least=0
    )
    seed: int = option(0, "Seed of all randomness.", at_least=0)

    def __post_init__(self) -> None:
        try:
            check_fields(self)
        except ValueError as error:
            raise UsageError(f"settings: {str(error).rstrip('.')}.") from error
        _require(
            self.final_learning_rate <= self.learning_rate,
            "final-learning-rate must not be above learning-rate",
        )
        _require(
            self.batch % self.shards == 0,
            f"batch ({self.batch}) must be a multiple of shards ({self.shards})",
        )

    @property
    def shard_size(self) -> int:
        """Tiles per shard; that many are in a network at a time."""
        return self.batch // self.shards


@dataclass(frozen=True, kw_only=True)
class SearchSettings(TrainingSettings):
    """The settings of a search stage."""

    epochs: int = option(60, "Passes over the training tiles.", at_least=1, quick=6)
    warmup: float = option(0.33, "Share of the epochs before logits learn.", at_least=0, below=1)
    logit_learning_rate: float = option(3e-3, "Of the logits (Adam).", above=0, quick=0.1)
    logit_weight_decay: float = option(1e-3, "Of the logits (Adam).", at_least=0)
    logit_steps: int = option(
        1, "Steps of the logits with each step of the weights.", at_least=1, at_most=100
    )
    logit_temperature: float = option(
        1.0,
        "Divisor of the logits in the last epoch; below 1 decides.",
        above=0,
        at_most=1,
        quick=0.1,
    )
    fix_logits: float = option(
        0.0, "Logits stop learning below this entropy, from 0 to 1.", at_least=0, below=1
    )
    target_macs: str = option(
        "",
        "Most multiply-accumulates of the network per tile: 4G, or 0.5x the mean of random ones.",
        metavar="COST",
        panel="Network",
    )
    target_ms: float = option(
        0.0,
        "Longest time of the network per tile, by `dnas measure`; 0 for any.",
        at_least=0,
        panel="Network",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(
            not (self.target_macs and self.target_ms), "give target-macs or target-ms, not both"
        )
        _require(
            self.shards == 1 or not (self.target_macs or self.target_ms),
            "a target of cost needs shards 1",
        )

    @property
    def weight_epochs(self) -> int:
        """The first epochs, in which only the weights learn; logits learn in one at least."""
        return min(round(self.warmup * self.epochs), self.epochs - 1)


@dataclass(frozen=True, kw_only=True)
class RetrainSettings(TrainingSettings):
    """The settings of retraining."""

    epochs: int = option(200, "Passes over the training tiles.", at_least=1, quick=20)
    epoch_steps: int = option(0, _EPOCH_STEPS, at_least=0, quick=40)
    width: int = option(0, "Channels of the finest scale; 0 for the run's.", panel="Network")
    init: str = option(
        "scratch", "First weights: scratch, supernet (of stage 3) or a model file.", metavar="FROM"
    )
    tournament: int = option(
        0,
        "Random architectures that start beside the found one and its runners-up; the best on "
        "validation stays.",
        at_least=0,
        at_most=256,
        metavar="R",
        panel="Network",
    )
    # With few validation tiles, the best epoch is best by chance.
    keep: Keep = option(
        "best",
        "The model's weights: of an epoch, or their average over the last steps.",
        quick="last",
        strong="average",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.width == 0 or is_width(self.width), f"width must be {WIDTHS}")
        _require(
            not self.tournament or self.init == "scratch",
            "tournament needs init scratch, as random architectures have no other weights",
        )
        _require(not self.tournament or self.shards == 1, "tournament needs shards 1")


Settings = TypeVar("Settings", bound=TrainingSettings)

STAGE_SETTINGS: dict[str, type[TrainingSettings]] = {
    "stage1": SearchSettings,
    "stage2": SearchSettings,
    "stage3": SearchSettings,
    "retrain": RetrainSettings,
}
"""The stages in order, with the settings that each has."""


def is_width(width: int) -> bool:
    """Whether a network can have this width; the stem halves it."""
    return 2 <= width <= MAX_WIDTH and width % 2 == 0


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise UsageError(f"settings: {what}.")
