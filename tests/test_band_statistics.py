"""Statistics of bands, added up part by part."""

import numpy as np
import pytest

from dnas_cli.scenes.band_statistics import BandStatistics


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_statistics_of_small_integers_are_exact(dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (2, 40, 50)).astype(dtype)
    valid = np.random.default_rng(1).random((40, 50)) > 0.3
    parts = [BandStatistics.empty(2, dtype) for _ in range(2)]
    parts[0].add(values[:, :15], valid[:15])
    parts[1].add(values[:, 15:], valid[15:])
    parts[0].merge(parts[1])
    found = parts[0].summary(("a", "b"))["b"]
    expected = values[1][valid].astype(float)
    assert found["count"] == expected.size
    assert (found["min"], found["max"]) == (expected.min(), expected.max())
    assert found["mean"] == pytest.approx(expected.mean(), rel=1e-12)
    assert found["std"] == pytest.approx(expected.std(), rel=1e-9)
    for percentile, value in found["percentiles"].items():
        assert value == np.percentile(expected, int(percentile), method="inverted_cdf")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_percentiles_of_other_numbers_are_within_a_percent(dtype: str) -> None:
    values = (np.random.default_rng(0).normal(-3, 1, (1, 300, 300)) * 1e6).astype(dtype)
    statistics = BandStatistics.empty(1, dtype)
    for row in range(0, 300, 100):
        part = BandStatistics.empty(1, dtype)
        part.add(values[:, row : row + 100], np.ones((100, 300), np.bool_))
        statistics.merge(part)
    found = statistics.summary(("a",))["a"]
    assert found["mean"] == pytest.approx(float(values.astype(float).mean()), rel=1e-9)
    assert found["std"] == pytest.approx(float(values.astype(float).std()), rel=1e-9)
    assert found["min"] == values.min()
    for percentile, value in found["percentiles"].items():
        expected = np.percentile(values, int(percentile))
        assert value == pytest.approx(expected, rel=0.01, abs=2e4)


def test_statistics_of_nothing_are_zero() -> None:
    assert BandStatistics.empty(1, "uint8").summary(("a",))["a"]["count"] == 0
