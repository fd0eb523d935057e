"""The files of an earlier evaluation."""

from dataclasses import dataclass, replace
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.evaluation.evaluation import Evaluation, Subject
from dnas_cli.files import refuse_existing
from dnas_cli.json_files import read_json


@dataclass(frozen=True)
class EvaluationFiles:
    """The files of an evaluation.

    Attributes:
        figures: The evaluation as JSON; written first.
        confusion: The confusion matrix as CSV.
        picture: The confusion matrix as PNG.
        scenes: A row per scene as CSV, if whole scenes were scored.
    """

    figures: Path
    confusion: Path
    picture: Path
    scenes: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """All of them, `figures` first."""
        paths = (self.figures, self.confusion, self.picture, self.scenes)
        return tuple(path for path in paths if path is not None)


def evaluation_files(folder: Path, split: str, unit: str) -> EvaluationFiles:
    """Return the files of a split, by tiles or by scenes, or of a plain folder (without a split).

    `confusion.csv` and `scenes.csv` are those of the test split or of a folder; those of other
    splits are `confusion-val.csv` and so on. Files by tiles and by scenes do not replace each
    other: the latter are `test-scenes.json` and `confusion-scenes.csv`.
    """
    of_split = "" if split in ("", "test") else f"-{split}"
    of_scenes = "-scenes" if split and unit == "scene" else ""
    return EvaluationFiles(
        folder / f"{split or 'folder'}{of_scenes}.json",
        folder / f"confusion{of_split}{of_scenes}.csv",
        folder / f"confusion{of_split}{of_scenes}.png",
        folder / f"scenes{of_split}.csv" if unit == "scene" else None,
    )


def stored_evaluation(folder: Path, subject: Subject, overwrite: bool) -> Evaluation | None:
    """Return the existing figures; None if they are missing or to be replaced.

    Raises:
        RunStateError: They are of another model or other data.
        DataError: The file is not an evaluation.
    """
    files = evaluation_files(folder, subject.split, subject.unit)
    path = files.figures
    if overwrite:
        return None
    if not path.exists():  # it is written first: the others would not be ours
        for other in files.all:
            refuse_existing(other, overwrite)
        return None
    stored = Evaluation.from_json(read_json(path), str(path))
    if not stored.subject.is_same(subject):
        raise RunStateError(
            f"{path}: holds the figures of another model, other data or other views.",
            "Give overwrite=True to replace them, or out=DIR to write elsewhere.",
        )
    logger.info("%s: is evaluated already; overwrite=True evaluates again", path)
    return replace(stored, subject=subject)  # they may have moved
