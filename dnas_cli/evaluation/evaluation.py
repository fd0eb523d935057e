"""The evaluation of a model against labels, and the check that model and data fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dnas_cli import __version__, console
from dnas_cli.bootstrap import Intervals
from dnas_cli.errors import MALFORMED, DataError
from dnas_cli.evaluation.references import Reference
from dnas_cli.evaluation.scenes import SceneScore
from dnas_cli.evaluation.tiles import evaluate_tiles
from dnas_cli.json_files import check_schema
from dnas_cli.mapping.map_options import Views
from dnas_cli.metrics import ConfusionMatrix
from dnas_cli.model.cost import ModelCost
from dnas_cli.model.model_file import Model, ModelFacts
from dnas_cli.nets.folding.folded_network import fold
from dnas_cli.scenes.palette import LandClass
from dnas_cli.tiles.lists import TileRef
from dnas_cli.tiles.tile_set import TileSet
from dnas_cli.typed_fields import build

SCHEMA = "dnas/evaluation"
VERSION = 1

_REPLACE = "Give overwrite=True to replace it."


@dataclass(frozen=True)
class Subject:
    """What was evaluated on what.

    Attributes:
        model_hash: `sha256:...` of the model file.
        data: The tile set or folder.
        fingerprint: Of the tile set; empty for a plain folder.
        split: Split of the tile set; empty for a plain folder.
        items: Number of tiles or scenes.
        unit: What they are, "tile" or "scene".
        views: Of each that were averaged over.
    """

    model: str
    model_hash: str
    data: str
    fingerprint: str
    split: str
    items: int
    unit: str = "tile"
    views: Views = "plain"

    def is_same(self, other: "Subject") -> bool:
        """Whether another subject is the same, wherever its files are now."""

        def known(subject: "Subject") -> tuple[object, ...]:
            return (
                subject.model_hash,
                subject.fingerprint,
                subject.split,
                subject.items,
                subject.unit,
                subject.views,
            )

        return known(self) == known(other)


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model.

    Attributes:
        subject: What was evaluated on what.
        matrix: The confusion matrix of the network.
        references: Plain references on the same pixels; empty if not requested.
        cost: What the network costs; None if not requested.
        scenes: Scores by scene, if whole scenes were scored.
    """

    subject: Subject
    classes: tuple[LandClass, ...]
    matrix: ConfusionMatrix
    references: tuple[Reference, ...] = ()
    cost: ModelCost | None = None
    scenes: tuple[SceneScore, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur in labels or predictions."""
        return self.matrix.metrics().mean_iou

    def to_json(self) -> dict[str, Any]:
        """Return the evaluation as plain data."""
        names = [land_class.name for land_class in self.classes]
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "dnas": __version__,
            "subject": vars(self.subject),
            "classes": [land_class.to_json() for land_class in self.classes],
            "metrics": self.matrix.metrics().to_json(names),
            "confusion": self.matrix.to_json(),
            "references": [
                {
                    "name": reference.name,
                    "detail": reference.detail,
                    "selection_iou": reference.selection_iou,
                    "metrics": reference.matrix.metrics().to_json(names),
                    "confusion": reference.matrix.to_json(),
                    "intervals": reference.intervals and reference.intervals.to_json(names),
                }
                for reference in self.references
            ],
            "cost": self.cost.to_json() if self.cost else None,
            "scenes": [scene.to_json(names) for scene in self.scenes],
        }

    @staticmethod
    def from_json(value: Any, name: str) -> "Evaluation":
        """Build an evaluation from plain data.

        Raises:
            DataError: It is not an evaluation, or one of another version.
        """
        check_schema(value, SCHEMA, VERSION, name, "evaluation of a model", _REPLACE)
        try:
            evaluation = Evaluation(
                subject=build(Subject, value["subject"]),
                classes=tuple(LandClass.from_json(item) for item in value["classes"]),
                matrix=ConfusionMatrix.from_json(value["confusion"]),
                references=tuple(
                    Reference(
                        str(item["name"]),
                        str(item["detail"]),
                        ConfusionMatrix.from_json(item["confusion"]),
                        _number(item["selection_iou"]),
                        Intervals.from_json(found) if (found := item.get("intervals")) else None,
                    )
                    for item in value["references"]
                ),
                cost=ModelCost.from_json(value["cost"]) if value["cost"] else None,
                scenes=tuple(SceneScore.from_json(item) for item in value.get("scenes", [])),
            )
            references = evaluation.references
            sizes = {evaluation.matrix.classes, *(item.matrix.classes for item in references)}
            sizes |= {item.matrix.classes for item in evaluation.scenes}
            sizes |= {len(item.intervals.iou) for item in references if item.intervals}
            if sizes != {len(evaluation.classes)}:
                raise ValueError("its confusion matrices are of other classes")
            return evaluation
        except MALFORMED as error:
            raise DataError(f"{name}: is not a valid evaluation ({error!r}).", _REPLACE) from error


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def confusion_on_tiles(
    model: Model,
    subject: Subject,
    tiles: TileSet,
    device: torch.device,
    batch: int,
    refs: Sequence[TileRef],
) -> ConfusionMatrix:
    """Return the confusion matrix of a model on tiles of a split.

    Args:
        model: The model, on `device`.
        subject: What is evaluated on what.
        batch: Tiles per forward pass.
        refs: The tiles.

    Raises:
        DataError: Model and tile set do not fit, or a tile cannot be read.
    """
    bands = band_positions(model.facts, tiles, subject.model)
    with console.progress(f"evaluating {subject.split}", len(refs), "tile") as advance:
        return evaluate_tiles(
            fold(model.network),
            model.facts.normalisation,
            tiles,
            subject.split,
            device,
            bands,
            batch,
            advance,
            subject.views,
            refs,
        )


def band_positions(facts: ModelFacts, tiles: TileSet, model: str) -> tuple[int, ...]:
    """Return where the model's bands are among the tile set's.

    Raises:
        DataError: Bands, data type or classes differ.
    """
    if facts.dtype != tiles.dtype:
        raise DataError(
            f"{tiles.root}: holds {tiles.dtype} values, but {model} was trained on {facts.dtype}.",
            "Evaluate on a tile set cut from imagery of the same kind.",
        )
    facts.refuse_other_classes([item.name for item in tiles.classes], str(tiles.root), model)
    known = {band.casefold(): index for index, band in enumerate(tiles.bands)}
    missing = [band for band in facts.bands if band.casefold() not in known]
    if missing:
        raise DataError(
            f"{tiles.root}: has the bands {', '.join(tiles.bands)}, but {model} needs "
            f"{', '.join(facts.bands)}.",
            "Evaluate on a tile set that has all of the model's bands.",
        )
    return tuple(known[band.casefold()] for band in facts.bands)
