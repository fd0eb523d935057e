"""The figures that an earlier evaluation left behind."""

from dataclasses import dataclass, replace
from pathlib import Path

from dnas_cli.console import logger
from dnas_cli.errors import RunStateError
from dnas_cli.evaluation.evaluation import Evaluation, Subject
from dnas_cli.files import read_json, refuse_existing


@dataclass(frozen=True)
class EvaluationFiles:
    """The files of an evaluation.

    Attributes:
        figures: All of it as JSON; written first.
        confusion: The confusion matrix as CSV.
        picture: The confusion matrix as PNG.
        scenes: A row per scene as CSV, where whole scenes were scored.
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
    """Return the files of a split, by tiles or by scenes, or of a plain folder, which has none.

    `confusion.csv` and `scenes.csv` are those of the test split or of a folder; others are called
    `confusion-val.csv`. Tiles and scenes of one split do not replace each other: those of scenes
    are `test-scenes.json` and `confusion-scenes.csv`.
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
    """Return the figures that are there already; none where they are missing or to be replaced.

    Raises:
        RunStateError: There are figures of another model or other data.
        DataError: The file there is no evaluation.
    """
    files = evaluation_files(folder, subject.split, subject.unit)
    path = files.figures
    if overwrite:
        return None
    if not path.exists():  # it is written first: the others would be someone else's
        for other in files.all:
            refuse_existing(other, overwrite)
        return None
    stored = Evaluation.from_json(read_json(path), str(path))
    if not stored.subject.is_same(subject):
        raise RunStateError(
            f"{path}: holds the figures of another model or other data.",
            "Give --overwrite to replace them, or --out DIR to write elsewhere.",
        )
    logger.info("%s: was evaluated before; --overwrite does it anew", path)
    return replace(stored, subject=subject)  # which may have moved
