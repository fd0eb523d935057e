"""The state of a run and its next command, read from its files without a lock."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dnas_cli.errors import DataError
from dnas_cli.evaluation.baseline_figures import Comparison, baseline_path, read_comparison
from dnas_cli.run.directory import CODINGS, Run
from dnas_cli.run.lock import worker
from dnas_cli.run.manifest import STAGES, StageRecord
from dnas_cli.run.rows import EpochRow, best_row, read_rows

_WITHOUT_HISTORY = ("not started", "imported")


@dataclass(frozen=True)
class StageResult:
    """What a stage has come to.

    Attributes:
        state: The phase of its record, `imported` or `not started`.
        epochs: Finished epochs.
        of: Epochs in all, with extensions; None if unknown.
        seconds: Time spent.
        loss: Of the last epoch.
        entropy: Of the logits in the last epoch.
        best_epoch: The epoch, from 1, of the highest mean IoU on the validation split.
        best_mean_iou: That mean IoU.
        worker: The process that works on it; empty for none.
        damage: What is wrong with its history; empty for nothing.
    """

    state: str
    epochs: int = 0
    of: int | None = None
    seconds: float = 0.0
    settings: Mapping[str, object] = field(default_factory=dict)
    decoded: Mapping[str, object] = field(default_factory=dict)
    loss: float | None = None
    entropy: float | None = None
    best_epoch: int | None = None
    best_mean_iou: float | None = None
    worker: str = ""
    damage: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        if self.state in _WITHOUT_HISTORY:
            return {"state": self.state}
        keys = ["state", "epochs", "of", "seconds", "settings", "decoded"]
        keys += [key for key in ("worker", "damage") if getattr(self, key)]
        keys += ["loss", "entropy"] if self.epochs else []
        best = {"epoch": self.best_epoch, "mean_iou": self.best_mean_iou}
        status = {key: getattr(self, key) for key in keys}
        return status | ({"best": best} if self.best_epoch is not None else {})


@dataclass(frozen=True)
class RunStatus:
    """The status of a run, and its next command."""

    run: Run
    stages: Mapping[str, StageResult]
    evaluations: tuple[str, ...]
    outdated_evaluations: tuple[str, ...]
    next: str
    baseline: Comparison | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain data: stages, figures, lineage, the next command."""
        run, manifest = self.run, self.run.manifest
        tile_set = {"path": str(run.tile_set_path), "fingerprint": manifest.tile_set.fingerprint}
        return {
            "run": str(run.root),
            "created": manifest.created,
            "dnas": manifest.dnas,
            "tile_set": tile_set,
            "network": {"layers": manifest.layers, "width": manifest.width},
            "lineage": vars(manifest.lineage) if manifest.lineage else None,
            "stages": {name: stage.to_json() for name, stage in self.stages.items()},
            "model": str(run.model_path) if run.model_path.is_file() else None,
            "evaluations": list(self.evaluations),
            "outdated_evaluations": list(self.outdated_evaluations),
            "baseline": asdict(self.baseline) if self.baseline else None,
            "next": self.next,
        }


def read_status(run: Run) -> RunStatus:
    """Read the state of a run from its files.

    A damaged history is reported in its stage.

    Raises:
        DataError: Another file is damaged.
    """
    stages = {name: _stage(run, name) for name in STAGES}
    working = next((stage.worker for stage in stages.values() if stage.worker), "")
    return RunStatus(
        run,
        stages,
        tuple(path.stem for path in run.evaluations()),
        tuple(run.outdated_evaluations()),
        f"wait for {working}, or stop it" if working else run.next_command(),
        read_comparison(baseline_path(run.root)),
    )


def _stage(run: Run, name: str) -> StageResult:
    record = run.record(name)
    if record is None:
        number = int(name[-1]) if name != "retrain" else 0
        imported = number and run.coding_path(CODINGS[number]).is_file()
        return StageResult(_WITHOUT_HISTORY[1] if imported else _WITHOUT_HISTORY[0])
    rows, damage = list[EpochRow](), ""
    try:
        rows = read_rows(run.stage_folder(name) / "history.jsonl")
    except DataError as error:
        damage = error.what
    best = best_row(rows)
    last: EpochRow = rows[-1] if rows else {"epoch": 0}
    return StageResult(
        record.phase,
        len(rows),
        _wanted_epochs(record),
        round(sum(row.get("seconds", 0.0) for row in rows), 1),
        record.settings,
        record.decoded,
        last.get("loss"),
        last.get("entropy"),
        None if best is None else best["epoch"] + 1,
        None if best is None else best["val"]["mean_iou"],
        worker(run, name),
        damage,
    )


def _wanted_epochs(record: StageRecord) -> int | None:
    epochs = record.settings.get("epochs")
    if not isinstance(epochs, int):  # encoded only, or imported
        return None
    return epochs + sum(item.epochs for item in record.extensions)
