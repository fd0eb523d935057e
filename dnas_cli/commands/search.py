"""`dnas search`: train a stage's supernet."""

from pathlib import Path
from typing import Annotated

import typer

from dnas_cli.commands import options
from dnas_cli.commands.options import Branch, Device, Overwrite, Quiet, RunArgument, Stage, Verbose


def search(
    run: RunArgument,
    stage: Stage,
    data: Annotated[
        Path | None, typer.Option(metavar="TILES", help="Tile set; begins a new run (stage 1).")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(help="Layers of a new run. [default: 12; quick: 5]")
    ] = None,
    width: Annotated[
        int | None, typer.Option(help="Width of a new run. [default: 40; quick: 8]")
    ] = None,
    preset: options.PresetOption = options.PresetName.paper,
    settings: options.SettingsFile = None,
    epochs: options.Epochs = None,
    logits_from: Annotated[
        int | None, typer.Option(help="First epoch, from 0, in which logits learn.")
    ] = None,
    batch: options.Batch = None,
    crop: options.Crop = None,
    learning_rate: options.LearningRate = None,
    logit_learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of the architecture logits.")
    ] = None,
    optimizer: options.OptimizerOption = None,
    loss: options.LossOption = None,
    class_weights: options.ClassWeightsOption = None,
    augment: options.AugmentOption = None,
    validate_every: options.ValidateEvery = None,
    seed: options.Seed = None,
    device: Device = "auto",
    workers: options.Workers = -1,
    memory: options.Memory = options.MemoryName.auto,
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
    """Search a stage: 1 the path, 2 the connections, 3 the operators.

    Ctrl-C saves and stops; the same command goes on. A stage keeps the settings that it was
    started with.
    """
    from dnas_cli.stages.begin_run import NewRun
    from dnas_cli.stages.compute_options import ComputeOptions
    from dnas_cli.stages.search import search as search_stage
    from dnas_cli.stages.stage_options import StageOptions
    from dnas_cli.training.settings import SettingsChoice

    flags = {
        "epochs": epochs,
        "logits_from": logits_from,
        "batch": batch,
        "crop": crop,
        "learning_rate": learning_rate,
        "logit_learning_rate": logit_learning_rate,
        "optimizer": optimizer and optimizer.value,
        "loss": loss and loss.value,
        "class_weights": class_weights and class_weights.value,
        "augment": augment and augment.value,
        "validate_every": validate_every,
        "seed": seed,
    }
    choice, new_run = SettingsChoice(preset.value, settings, flags), NewRun(data, layers, width)
    compute = ComputeOptions(
        device, workers, checkpoint_every, on_divergence.value, deterministic, memory.value
    )
    stage_options = StageOptions(branch, at_epoch, extend, extend_rate.value, restart, overwrite)
    if dry_run:
        from dnas_cli.report.dry_run_table import print_dry_run
        from dnas_cli.stages.dry_run import estimate_search

        print_dry_run(estimate_search(run, stage, choice, new_run, compute, stage_options))
        return
    result = search_stage(run, stage, choice, new_run, compute, stage_options)
    typer.echo(result.stage_folder(f"stage{stage}"))
