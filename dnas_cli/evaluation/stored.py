"""The figures that an earlier evaluation left behind."""

from pathlib import Path

from dnas_cli.errors import RunStateError
from dnas_cli.evaluation.evaluate import Evaluation, Subject
from dnas_cli.files import read_json, refuse_existing


def evaluation_files(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Return the JSON, CSV and PNG of a split.

    The plain names `confusion.csv` and `confusion.png` are those of the test split, or of a plain
    folder, which has no split; others are called `confusion-val.csv`.
    """
    suffix = "" if split in ("", "test") else f"-{split}"
    return (
        folder / f"{split or 'folder'}.json",
        folder / f"confusion{suffix}.csv",
        folder / f"confusion{suffix}.png",
    )


def stored_evaluation(folder: Path, subject: Subject, overwrite: bool) -> Evaluation | None:
    """Return the figures that are there already; none where they are missing or to be replaced.

    Raises:
        RunStateError: There are figures of another model or other data.
        DataError: The file there is no evaluation.
    """
    path, *pictures = evaluation_files(folder, subject.split)
    if overwrite:
        return None
    if not path.exists():  # it is written first: the others would be someone else's
        for picture in pictures:
            refuse_existing(picture, overwrite)
        return None
    stored = Evaluation.from_json(read_json(path), str(path))
    if not stored.subject.is_same(subject):
        raise RunStateError(
            f"{path}: holds the figures of another model or other data.",
            "Give --overwrite to replace them, or --out DIR to write elsewhere.",
        )
    return stored
