"""What a checkpoint holds, for a person or a program that does not resume from it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dnas_cli.errors import MALFORMED, DataError, brief
from dnas_cli.training.progress import Progress
from dnas_cli.training.stage_files import SCHEMA, load_checkpoint


@dataclass(frozen=True)
class CheckpointSummary:
    """A checkpoint without its tensors.

    Attributes:
        identity: Hash of the space or architecture that it belongs to.
        position: How far training is; none in the checkpoint of the best epoch.
        epoch: The epoch from 0, in the checkpoint of the best epoch.
        mean_iou: Of that epoch, on the validation split.
        tensors: How many the network has.
    """

    identity: str | None
    position: Progress | None
    epoch: int | None
    mean_iou: float | None
    tensors: int

    @property
    def epochs_done(self) -> int:
        """Epochs behind it."""
        return self.position.epoch if self.position else (self.epoch or 0) + 1

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        return {"schema": SCHEMA, **asdict(self)}


def read_checkpoint_summary(path: Path) -> CheckpointSummary:
    """Read a checkpoint.

    Raises:
        DataError: It is missing, damaged, or not a checkpoint.
    """
    content = load_checkpoint(path)
    try:
        position = content.get("position")
        return CheckpointSummary(
            content.get("identity"),
            None if position is None else Progress.from_json(position),
            content.get("epoch"),
            content.get("mean_iou"),
            len(content.get("network", {})),
        )
    except MALFORMED as error:
        raise DataError(f"{path}: is not a valid checkpoint ({brief(error)}).") from error
