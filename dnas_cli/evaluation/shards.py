"""Scores of shards: each is kept in a file, and the last one adds them up."""

import glob
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dnas_cli.errors import MALFORMED, DataError, OtherShardsMissing
from dnas_cli.evaluation.evaluation import Subject
from dnas_cli.evaluation.scenes import SceneScore
from dnas_cli.evaluation.stored import evaluation_files
from dnas_cli.file_lock import locked
from dnas_cli.files import make_folder, remove_leftovers
from dnas_cli.json_files import read_json, write_json
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.shard import Shard

SCHEMA = "dnas/evaluation-shard"


@dataclass(frozen=True)
class Scores:
    """A model on some of the tiles or scenes.

    Attributes:
        matrix: Over all of them.
        scenes: Each scene's, where whole scenes are scored.
    """

    matrix: ConfusionMatrix
    scenes: tuple[SceneScore, ...] = field(default=())


def merged(
    folder: Path, subject: Subject, shard: Shard, own: Scores, order: Mapping[str, int]
) -> Scores:
    """Keep the scores of a shard, and return those of all shards.

    Args:
        folder: Where the figures go.
        subject: What is evaluated on what.
        shard: The shard.
        own: Its scores.
        order: The place of every scene, by name.

    Raises:
        OtherShardsMissing: There are others to score.
        DataError: The scores of another shard are damaged.
    """
    make_folder(folder)
    figures = evaluation_files(folder, subject.split, subject.unit).figures
    files = [
        figures.with_name(f"{_kept(figures)}{number}-of-{shard.count}.scores")
        for number in range(1, shard.count + 1)
    ]
    facts = {"schema": SCHEMA, "subject": asdict(subject)}
    names = [str(number) for number in range(own.matrix.classes)]
    with locked(folder, wait=True):
        remove_leftovers(folder, files[shard.number - 1].name)
        write_json(
            files[shard.number - 1],
            {
                **facts,
                "confusion": own.matrix.to_json(),
                "scenes": [score.to_json(names) for score in own.scenes],
            },
        )
        found = [read_json(path) if path.is_file() else None for path in files]
        missing = [
            str(number)
            for number, content in enumerate(found, 1)
            if not isinstance(content, dict)
            or any(content.get(key) != value for key, value in facts.items())
        ]
        if missing:
            raise OtherShardsMissing(
                f"shard {shard} is scored; the figures follow with the last of the shards "
                f"{', '.join(missing)}."
            )
        matrix, scenes = ConfusionMatrix(own.matrix.classes), list[SceneScore]()
        for path, content in zip(files, found, strict=True):
            part = _scores(content, path)
            matrix.merge(part.matrix)
            scenes.extend(part.scenes)
    return Scores(matrix, tuple(sorted(scenes, key=lambda score: order[score.name])))


def remove_scores(folder: Path, subject: Subject) -> None:
    """Remove the scores of shards, once the figures are written."""
    figures = evaluation_files(folder, subject.split, subject.unit).figures
    for path in folder.glob(f"{glob.escape(_kept(figures))}*.scores"):
        path.unlink(missing_ok=True)


def _kept(figures: Path) -> str:
    return f".{figures.stem}.shard-"


def _scores(content: Any, path: Path) -> Scores:
    try:
        scenes = tuple(SceneScore.from_json(item) for item in content["scenes"])
        return Scores(ConfusionMatrix.from_json(content["confusion"]), scenes)
    except MALFORMED as error:
        raise DataError(f"{path}: is damaged ({error!r}).", "Score that shard again.") from error
