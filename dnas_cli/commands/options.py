"""Options that several commands share, so that they look and behave the same everywhere."""

import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dnas_cli import console


def _quiet(value: bool) -> bool:
    if value:
        console.configure(logging.WARNING)
    return value


def _verbose(value: bool) -> bool:
    if value:
        console.configure(logging.DEBUG)
    return value


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.", callback=_quiet)
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print details as well.", callback=_verbose)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", show_default=True)]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run directory.")]
Stage = Annotated[int, typer.Option(help="1 path, 2 connections, 3 operators.")]
Branch = Annotated[
    Path | None,
    typer.Option(
        metavar="NEW_RUN", help="Take over the finished stages into a new run and go on there."
    ),
]


AtEpoch = Annotated[
    int | None,
    typer.Option(
        "--at-epoch",
        min=1,
        help="With --branch: decode the stage before from this epoch of its search.",
    ),
]
Extend = Annotated[int | None, typer.Option(help="Add epochs to a finished stage.")]
Restart = Annotated[
    bool, typer.Option("--restart", help="Start the stage over; needs --overwrite, too.")
]
CheckpointEvery = Annotated[
    float, typer.Option(metavar="MINUTES", help="Between checkpoints inside an epoch.")
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="The same bits every time on a GPU, too.")
]


class ExtendRule(StrEnum):
    """The learning rate of added epochs."""

    final = "final"
    cosine = "cosine"


ExtendRate = Annotated[
    ExtendRule,
    typer.Option(help="Of added epochs: the final rate, or down from the first one again."),
]


class OnDivergenceName(StrEnum):
    """What to do when a loss is not finite."""

    stop = "stop"
    backoff = "backoff"


OnDivergence = Annotated[
    OnDivergenceName,
    typer.Option(help="backoff: go back to the last checkpoint once, with a lower rate."),
]


class PresetName(StrEnum):
    """Where settings start from."""

    paper = "paper"
    quick = "quick"


class LossName(StrEnum):
    """Losses."""

    cross_entropy = "cross-entropy"
    focal = "focal"


class OptimizerName(StrEnum):
    """Optimizers of the weights."""

    sgd = "sgd"
    adamw = "adamw"


class AugmentName(StrEnum):
    """Augmentations."""

    mirror = "mirror"
    dihedral = "dihedral"
    photometric = "photometric"
    scale = "scale"


class ClassWeightsName(StrEnum):
    """How much a pixel of each class counts."""

    equal = "equal"
    balanced = "balanced"


class SplitName(StrEnum):
    """The splits of a tile set."""

    train = "train"
    val = "val"
    test = "test"


class KeepName(StrEnum):
    """The weights a model gets."""

    best = "best"
    last = "last"
    average = "average"


class MemoryName(StrEnum):
    """How a network is executed in training."""

    auto = "auto"
    plain = "plain"
    fast = "fast"
    low = "low"


Memory = Annotated[
    MemoryName,
    typer.Option(help="low: fits in least memory; fast: in least time; auto: by the free memory."),
]
PresetOption = Annotated[
    PresetName, typer.Option(help="The paper's settings, or quick ones for a laptop.")
]
SettingsFile = Annotated[
    Path | None, typer.Option(metavar="YAML", help="File of settings; flags go over it.")
]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training tiles.")]
Batch = Annotated[int | None, typer.Option(help="Tiles per step.")]
Crop = Annotated[int | None, typer.Option(help="Random crop in pixels; 0 for whole tiles.")]
LearningRate = Annotated[float | None, typer.Option(help="Learning rate of the weights.")]
OptimizerOption = Annotated[
    OptimizerName | None,
    typer.Option(
        help="Of the weights; adamw wants a --learning-rate of 0.002 or so. "
        "[default: sgd; quick: adamw]"
    ),
]
LossOption = Annotated[LossName | None, typer.Option(help="Loss over labelled pixels.")]
AugmentOption = Annotated[
    AugmentName | None,
    typer.Option(
        help="mirror: left-right; dihedral: quarter turns, too; photometric: light, too; "
        "scale: size, too."
    ),
]
ClassWeightsOption = Annotated[
    ClassWeightsName | None, typer.Option(help="balanced: pixels of rare classes count more.")
]
ValidateEvery = Annotated[int | None, typer.Option(help="Epochs between validations.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random.")]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Print what it will take, of all stages to come, and begin nothing."
    ),
]
Workers = Annotated[int, typer.Option(help="Processes that load tiles; -1 chooses by the device.")]
