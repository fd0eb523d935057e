"""Segmentation metrics, all from one confusion matrix (method, section 6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError

IGNORE = 255  # index of pixels without a label, in every index label and every map

Shares = tuple[float | None, ...]  # one value per class, None where it is undefined


@dataclass(frozen=True)
class Metrics:
    """Agreement of predictions with labels, over all pixels that are not ignored.

    Attributes:
        pixels: Number of scored pixels.
        overall_accuracy: Share of the pixels that are right.
        mean_class_accuracy: Mean recall over the classes that occur in the labels.
        mean_iou: Mean IoU over the classes that occur in labels or predictions.
        frequency_weighted_iou: IoU weighted by the classes' shares of the labels.
        kappa: Cohen's kappa; None if labels and predictions hold one and the same class only.
        iou: Per class; None where the class occurs in neither labels nor predictions.
        f1: Per class; None where the class occurs in neither labels nor predictions.
        precision: Per class; None where the class is never predicted.
        recall: Per class; None where the class occurs in no label.
    """

    pixels: int
    overall_accuracy: float
    mean_class_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    kappa: float | None
    iou: Shares
    f1: Shares
    precision: Shares
    recall: Shares

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Return the metrics as plain data, per-class values keyed by class name."""
        per_class = {"iou": self.iou, "f1": self.f1, "precision": self.precision}
        per_class["recall"] = self.recall
        return {
            "pixels": self.pixels,
            "overall_accuracy": self.overall_accuracy,
            "mean_class_accuracy": self.mean_class_accuracy,
            "mean_iou": self.mean_iou,
            "frequency_weighted_iou": self.frequency_weighted_iou,
            "kappa": self.kappa,
            "classes": {
                name: {metric: values[index] for metric, values in per_class.items()}
                for index, name in enumerate(class_names)
            },
        }


class ConfusionMatrix:
    """Counts of (label, prediction) pairs of pixels.

    Attributes:
        counts: (classes, classes) int64, row = label, column = prediction.
        unpredicted: (classes,) int64, labelled pixels without a prediction. They count
            as wrong everywhere: in accuracy, in recall and in the union of the IoU.
    """

    def __init__(self, classes: int) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros((classes, classes), np.int64)
        self.unpredicted: npt.NDArray[np.int64] = np.zeros(classes, np.int64)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.counts)

    @property
    def pixels(self) -> int:
        """Number of pixels counted so far."""
        return int(self.counts.sum() + self.unpredicted.sum())

    def add(self, truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> None:
        """Count the pixels of one or more tiles.

        Args:
            truth: Class indices of any shape; pixels of `IGNORE` are not counted.
            prediction: Class indices of the same shape; `IGNORE` where nothing was
                predicted.

        Raises:
            ValueError: The shapes differ, or an index is not a class.
        """
        if truth.shape != prediction.shape:
            raise ValueError(f"labels {truth.shape} and predictions {prediction.shape} differ")
        scored = truth != IGNORE
        rows = truth[scored].astype(np.int64)
        columns = prediction[scored].astype(np.int64)
        columns[columns == IGNORE] = self.classes  # the extra column, "unpredicted"
        if rows.size == 0:
            return
        if rows.min() < 0 or rows.max() >= self.classes:
            raise ValueError(f"a label is outside 0..{self.classes - 1} and not {IGNORE}")
        if columns.min() < 0 or columns.max() > self.classes:
            raise ValueError(f"a prediction is outside 0..{self.classes - 1} and not {IGNORE}")
        width = self.classes + 1
        pairs = np.bincount(rows * width + columns, minlength=self.classes * width)
        pairs = pairs.reshape(self.classes, width)
        self.counts += pairs[:, :-1]
        self.unpredicted += pairs[:, -1]

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another matrix of the same classes."""
        if other.classes != self.classes:
            raise ValueError(f"matrices of {self.classes} and {other.classes} classes")
        self.counts += other.counts
        self.unpredicted += other.unpredicted

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        return {"counts": self.counts.tolist(), "unpredicted": self.unpredicted.tolist()}

    @staticmethod
    def from_json(value: dict[str, Any]) -> "ConfusionMatrix":
        """Build a matrix from plain data; ValueError, KeyError or TypeError if it is none."""
        matrix = ConfusionMatrix(len(value["unpredicted"]))
        counts = np.array(value["counts"], np.int64)
        if counts.shape != matrix.counts.shape:
            raise ValueError("the confusion matrix is not square")
        matrix.counts += counts
        matrix.unpredicted += np.array(value["unpredicted"], np.int64)
        if (matrix.counts < 0).any() or (matrix.unpredicted < 0).any():
            raise ValueError("the confusion matrix counts fewer pixels than none")
        return matrix

    def metrics(self) -> Metrics:
        """Return all metrics of the counts so far.

        Raises:
            DataError: No pixel was counted.
        """
        pixels = self.pixels
        if pixels == 0:
            raise DataError("No labelled pixel to score: all labels are ignored.")
        right = np.diagonal(self.counts).astype(np.float64)
        labelled = (self.counts.sum(axis=1) + self.unpredicted).astype(np.float64)
        predicted = self.counts.sum(axis=0).astype(np.float64)

        iou = _ratios(right, labelled + predicted - right)
        recall = _ratios(right, labelled)
        accuracy = right.sum() / pixels
        chance = float((labelled / pixels) @ (predicted / pixels))
        return Metrics(
            pixels=pixels,
            overall_accuracy=float(accuracy),
            mean_class_accuracy=float(np.nanmean(recall)),
            mean_iou=float(np.nanmean(iou)),
            frequency_weighted_iou=float(np.nansum(iou * labelled / pixels)),
            kappa=None if chance >= 1.0 else float((accuracy - chance) / (1.0 - chance)),
            iou=_optional(iou),
            f1=_optional(_ratios(2.0 * right, labelled + predicted)),
            precision=_optional(_ratios(right, predicted)),
            recall=_optional(recall),
        )


def merged(matrices: Iterable[ConfusionMatrix]) -> ConfusionMatrix:
    """Return the sum of one or more matrices of the same classes."""
    first, *others = matrices
    total = ConfusionMatrix(first.classes)
    for matrix in (first, *others):
        total.merge(matrix)
    return total


def _ratios(
    numerator: npt.NDArray[np.float64], denominator: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Divide, with NaN where the divisor is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _optional(values: npt.NDArray[np.float64]) -> Shares:
    return tuple(None if np.isnan(value) else float(value) for value in values)
