"""Whether a stage ends before its last epoch: a function of its history, so that resumes agree."""

from collections.abc import Sequence

from dnas_cli.run.rows import EpochRow, best_row
from dnas_cli.run.settings import SearchSettings, TrainingSettings


def early_end(settings: TrainingSettings, rows: Sequence[EpochRow]) -> str:
    """Return why a stage ends after its last row; empty if it does not.

    A search ends when what its logits decode to has not changed for `patience` epochs in which they
    learnt, a retraining when the mean IoU on the validation split has not improved for as many.

    Args:
        settings: The settings of the stage.
        rows: The history up to now, a row per epoch.
    """
    patience = settings.patience
    if not patience or not rows:
        return ""
    if isinstance(settings, SearchSettings):
        learnt = [row for row in rows if row["epoch"] >= settings.weight_epochs]
        decoded = [row.get("decoded") for row in learnt[-patience - 1 :]]
        same = len(decoded) > patience and all(item == decoded[0] for item in decoded)
        return f"what it decodes to is the same since {patience} epochs" if same else ""
    best = best_row(rows)
    if best is None or "val" not in rows[-1]:
        return ""
    since = rows[-1]["epoch"] - best["epoch"]
    return f"the validation has not improved for {since} epochs" if since >= patience else ""
