"""What a run holds and what comes next, read from its files without locking anything."""

from typing import Any

from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.manifest import STAGES, StageRecord
from dnas_cli.run.rows import read_rows

TITLES = {
    "stage1": "stage 1, path",
    "stage2": "stage 2, connections",
    "stage3": "stage 3, operators",
    "retrain": "retraining",
}


def run_summary(run: Run) -> dict[str, Any]:
    """Return the state of a run as plain data: stages, figures, lineage, the next command."""
    manifest = run.manifest
    return {
        "run": str(run.root),
        "created": manifest.created,
        "dnas": manifest.dnas,
        "tile_set": {"path": str(run.tile_set_path), "fingerprint": manifest.tile_set.fingerprint},
        "network": {"layers": manifest.layers, "width": manifest.width},
        "lineage": vars(manifest.lineage) if manifest.lineage else None,
        "stages": {name: _stage(run, name) for name in STAGES},
        "model": str(run.model_path) if run.model_path.is_file() else None,
        "evaluations": sorted(path.stem for path in run.evaluation_folder.glob("*.json")),
        "outdated_evaluations": run.outdated_evaluations(),
        "next": run.next_command(),
    }


def _stage(run: Run, name: str) -> dict[str, Any]:
    record = run.record(name)
    if record is None:
        number = int(name[-1]) if name != "retrain" else 0
        imported = number and run.coding_path(CODINGS[number]).is_file()
        return {"state": "imported" if imported else "not begun"}
    rows = read_rows(run.stage_folder(name) / "history.jsonl")
    scored = [row for row in rows if "val" in row]
    best = max(scored, key=lambda row: (row["val"]["mean_iou"], -row["epoch"]), default=None)
    summary: dict[str, Any] = {
        "state": record.phase,
        "epochs": len(rows),
        "of": _wanted_epochs(record),
        "seconds": round(sum(row.get("seconds", 0.0) for row in rows), 1),
        "settings": record.settings,
        "decoded": record.decoded,
    }
    if rows:
        summary["loss"] = rows[-1].get("loss")
        summary["entropy"] = rows[-1].get("entropy")
    if best is not None:
        summary["best"] = {"epoch": best["epoch"] + 1, "mean_iou": best["val"]["mean_iou"]}
    return summary


def _wanted_epochs(record: StageRecord) -> int | None:
    epochs = record.settings.get("epochs")
    if not isinstance(epochs, int):  # encoded only, or imported
        return None
    return epochs + sum(item.epochs for item in record.extensions)


def status_text(summary: dict[str, Any]) -> str:
    """Return the state of a run as lines for a terminal."""
    network, lines = summary["network"], [summary["run"]]
    lines.append(f"  tile set   {summary['tile_set']['path']}")
    lines.append(f"  network    {network['layers']} layers, width {network['width']}")
    if lineage := summary["lineage"]:
        lines.append(f"  branch of  {lineage['parent']} (from {lineage['taken_over']})")
    lines.append("")
    lines.extend(_stage_line(TITLES[name], stage) for name, stage in summary["stages"].items())
    lines.append("")
    if summary["model"]:
        lines.append(f"  model      {summary['model']}")
    if summary["evaluations"]:
        outdated = summary["outdated_evaluations"]
        told = [f"{x} (of another model)" if x in outdated else x for x in summary["evaluations"]]
        lines.append(f"  evaluated  {', '.join(told)}")
    lines.append(f"  next       {summary['next']}")
    return "\n".join(lines)


def _stage_line(title: str, stage: dict[str, Any]) -> str:
    parts = [stage["state"]]
    if stage.get("epochs"):
        parts.append(f"{stage['epochs']} of {stage['of']} epochs in {stage['seconds']:.0f} s")
    if stage.get("loss") is not None:
        parts.append(f"loss {stage['loss']:.4f}")
    if stage.get("entropy") is not None:
        parts.append(f"entropy {stage['entropy']:.3f}")
    if best := stage.get("best"):
        parts.append(f"best val mIoU {best['mean_iou']:.4f} (epoch {best['epoch']})")
    return f"  {title:<22}{', '.join(parts)}"
