"""Metrics against scikit-learn, and at the edges where definitions differ."""

import json

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as reference

from dnas_cli.errors import DataError
from dnas_cli.metrics import IGNORE, ConfusionMatrix

Indices = npt.NDArray[np.uint8]


def _matrix(classes: int, truth: Indices, prediction: Indices) -> ConfusionMatrix:
    matrix = ConfusionMatrix(classes)
    matrix.add(truth, prediction)
    return matrix


def _random_map(seed: int) -> tuple[Indices, Indices]:
    """Labels with ignored pixels and predictions that are right more often than not."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 5, (40, 50)).astype(np.uint8)
    noise = generator.integers(0, 5, truth.shape).astype(np.uint8)
    prediction = np.where(generator.random(truth.shape) < 0.6, truth, noise)
    truth[generator.random(truth.shape) < 0.2] = IGNORE
    return truth, prediction


def test_metrics_agree_with_scikit_learn() -> None:
    truth, prediction = _random_map(1)
    scored = truth != IGNORE
    y_true, y_pred = truth[scored], prediction[scored]

    matrix = _matrix(5, truth, prediction)
    ours = matrix.metrics()

    assert np.array_equal(matrix.counts, reference.confusion_matrix(y_true, y_pred))
    assert ours.pixels == y_true.size
    assert ours.overall_accuracy == pytest.approx(reference.accuracy_score(y_true, y_pred))
    assert ours.mean_class_accuracy == pytest.approx(
        reference.balanced_accuracy_score(y_true, y_pred)
    )
    assert ours.kappa == pytest.approx(reference.cohen_kappa_score(y_true, y_pred))
    for values, scorer in (
        (ours.iou, reference.jaccard_score),
        (ours.f1, reference.f1_score),
        (ours.precision, reference.precision_score),
        (ours.recall, reference.recall_score),
    ):
        assert values == pytest.approx(scorer(y_true, y_pred, average=None))
    assert ours.mean_iou == pytest.approx(reference.jaccard_score(y_true, y_pred, average="macro"))
    assert ours.frequency_weighted_iou == pytest.approx(
        reference.jaccard_score(y_true, y_pred, average="weighted")
    )


def test_counting_tile_by_tile_equals_counting_at_once() -> None:
    first, second = _random_map(2), _random_map(3)
    apart = ConfusionMatrix(5)
    apart.add(*first)
    apart.add(*second)
    merged = _matrix(5, *first)
    merged.merge(_matrix(5, *second))
    at_once = _matrix(5, np.stack([first[0], second[0]]), np.stack([first[1], second[1]]))

    assert np.array_equal(apart.counts, at_once.counts)
    assert np.array_equal(merged.counts, at_once.counts)


def test_a_class_that_occurs_nowhere_is_left_out_of_the_mean() -> None:
    truth = np.array([0, 0, 1, 1], np.uint8)
    ours = _matrix(3, truth, truth).metrics()

    assert ours.iou == (1.0, 1.0, None)
    assert ours.f1[2] is None
    assert ours.mean_iou == 1.0


def test_a_class_that_is_only_predicted_pulls_the_mean_down() -> None:
    truth = np.array([0, 0, 1, 1], np.uint8)
    prediction = np.array([0, 0, 1, 2], np.uint8)
    ours = _matrix(3, truth, prediction).metrics()

    assert ours.iou == (1.0, 0.5, 0.0)
    assert ours.recall[2] is None
    assert ours.mean_iou == pytest.approx(0.5)
    assert ours.mean_class_accuracy == pytest.approx(0.75)  # two classes occur in the labels


def test_labelled_pixels_without_a_prediction_count_as_wrong() -> None:
    truth = np.array([0, 0, 0, 1], np.uint8)
    prediction = np.array([0, IGNORE, IGNORE, 1], np.uint8)
    matrix = _matrix(2, truth, prediction)
    ours = matrix.metrics()

    assert matrix.unpredicted.tolist() == [2, 0]
    assert ours.pixels == 4
    assert ours.overall_accuracy == 0.5
    assert ours.iou == pytest.approx((1 / 3, 1.0))
    assert ours.precision == (1.0, 1.0)


def test_kappa_is_undefined_when_one_class_is_everything() -> None:
    truth = np.zeros(10, np.uint8)
    assert _matrix(2, truth, truth).metrics().kappa is None


def test_large_counts_stay_exact() -> None:
    matrix = ConfusionMatrix(2)
    matrix.counts[:] = [[3_000_000_000, 1], [0, 4_000_000_000]]
    ours = matrix.metrics()

    assert ours.pixels == 7_000_000_001
    assert ours.iou[0] == pytest.approx(3e9 / (3e9 + 1), abs=1e-15)


def test_nothing_labelled_is_an_error_and_not_a_figure() -> None:
    truth = np.full((4, 4), IGNORE, np.uint8)
    with pytest.raises(DataError, match="No labelled pixel"):
        _matrix(2, truth, np.zeros((4, 4), np.uint8)).metrics()


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([[0, 1]], [0, 1], "differ"),
        ([7], [0], "label is outside"),
        ([0], [7], "prediction is outside"),
        ([0], [-1], "prediction is outside"),
    ],
)
def test_indices_that_are_no_class_are_refused(
    truth: list[int], prediction: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(2).add(np.array(truth), np.array(prediction))


def test_metrics_become_json_by_class_name() -> None:
    truth, prediction = _random_map(4)
    value = _matrix(5, truth, prediction).metrics().to_json(["a", "b", "c", "d", "e"])

    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert set(value["classes"]) == {"a", "b", "c", "d", "e"}
    assert set(value["classes"]["a"]) == {"iou", "f1", "precision", "recall"}
