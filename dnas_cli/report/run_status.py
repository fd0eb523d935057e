"""The state of a run as lines of text."""

from collections.abc import Mapping

from rich.table import Table

from dnas_cli.report.baseline_table import baseline_line
from dnas_cli.report.tables import lines_of, table
from dnas_cli.stages.run_status import RunStatus, StageResult

TITLES = {
    "stage1": "stage 1, path",
    "stage2": "stage 2, connections",
    "stage3": "stage 3, operators",
    "retrain": "retraining",
}


def status_text(status: RunStatus) -> list[str]:
    """Return the state of a run as lines of text."""
    run, manifest = status.run, status.run.manifest
    lines = [
        str(run.root),
        f"  tile set   {run.tile_set_path}",
        f"  network    {manifest.layers} layers, width {manifest.width}",
    ]
    if lineage := manifest.lineage:
        lines.append(f"  branch of  {lineage.parent} (from {lineage.taken_over})")
    lines.append("")
    lines.extend(lines_of(_stage_table(status.stages)))
    lines.append("")
    for name, stage in status.stages.items():
        if stage.worker:
            lines.append(f"  in work    {TITLES[name]}, by {stage.worker}")
        if stage.damage:
            lines.append(f"  damaged    {stage.damage}")
    if run.model_path.is_file():
        lines.append(f"  model      {run.model_path}")
    if status.evaluations:
        outdated = status.outdated_evaluations
        names = [f"{x} (of another model)" if x in outdated else x for x in status.evaluations]
        lines.append(f"  evaluated  {', '.join(names)}")
    if status.baseline:
        lines.append(f"  baseline   {baseline_line(status.baseline)}")
    lines.append(f"  next       {status.next}")
    return lines


def _stage_table(stages: Mapping[str, StageResult]) -> Table:
    made = table("stage", "state", "epochs", "time", "loss", "entropy", "best val mIoU")
    for name, stage in stages.items():
        best = ""
        if stage.best_mean_iou is not None:
            best = f"{stage.best_mean_iou:.4f} (epoch {stage.best_epoch})"
        made.add_row(
            TITLES[name].removeprefix("stage "),
            stage.state,
            f"{stage.epochs} of {stage.of}" if stage.epochs else "",
            f"{stage.seconds:.0f} s" if stage.epochs else "",
            "" if stage.loss is None else f"{stage.loss:.4f}",
            "" if stage.entropy is None else f"{stage.entropy:.3f}",
            best,
        )
    return made
