"""`dnas retrain`: train the derived network from scratch."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands import options
from dnas_cli.commands.options import Branch, Device, Overwrite, Quiet, RunArgument, Verbose


def retrain(
    run: RunArgument,
    preset: options.PresetOption = options.PresetName.paper,
    settings: options.SettingsFile = None,
    epochs: options.Epochs = None,
    width: Annotated[
        int | None, typer.Option(help="Channels of the finest scale. [default: the run's]")
    ] = None,
    batch: options.Batch = None,
    crop: options.Crop = None,
    learning_rate: options.LearningRate = None,
    optimizer: options.OptimizerOption = None,
    loss: options.LossOption = None,
    class_weights: options.ClassWeightsOption = None,
    augment: options.AugmentOption = None,
    validate_every: options.ValidateEvery = None,
    keep: Annotated[
        options.KeepName | None,
        typer.Option(help="The model's weights: epoch or average. [default: best]"),
    ] = None,
    seed: options.Seed = None,
    device: Device = "auto",
    workers: options.Workers = -1,
    memory: options.Memory = options.MemoryName.auto,
    architecture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Retrain this coding, in a run without searches."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="TILES", help="Tile set of the run that --architecture begins."),
    ] = None,
    checkpoint_every: options.CheckpointEvery = 10.0,
    on_divergence: options.OnDivergence = options.OnDivergenceName.stop,
    deterministic: options.Deterministic = False,
    branch: Branch = None,
    at_epoch: options.AtEpoch = None,
    extend: options.Extend = None,
    extend_rate: options.ExtendRate = options.ExtendRule.final,
    restart: options.Restart = False,
    overwrite: Overwrite = False,
    dry_run: options.DryRun = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train the network that was found, from scratch, and write RUN/model.pt.

    Ctrl-C saves and stops; the same command goes on.
    """
    from dnas_cli.stages.compute_options import ComputeOptions
    from dnas_cli.stages.retrain import retrain as retrain_run
    from dnas_cli.stages.stage_options import StageOptions
    from dnas_cli.training.settings import SettingsChoice

    flags = {
        "epochs": epochs,
        "width": width,
        "batch": batch,
        "crop": crop,
        "learning_rate": learning_rate,
        "optimizer": optimizer and optimizer.value,
        "loss": loss and loss.value,
        "class_weights": class_weights and class_weights.value,
        "augment": augment and augment.value,
        "validate_every": validate_every,
        "keep": keep and keep.value,
        "seed": seed,
    }
    choice = SettingsChoice(preset.value, settings, flags)
    compute = ComputeOptions(
        device, workers, checkpoint_every, on_divergence.value, deterministic, memory.value
    )
    stage_options = StageOptions(branch, at_epoch, extend, extend_rate.value, restart, overwrite)
    if dry_run:
        from dnas_cli.report.dry_run_table import print_dry_run
        from dnas_cli.stages.dry_run import estimate_retraining

        print_dry_run(estimate_retraining(run, choice, compute, stage_options, architecture, data))
        return
    result = retrain_run(run, choice, compute, stage_options, architecture, data)
    typer.echo(result.model_path)
