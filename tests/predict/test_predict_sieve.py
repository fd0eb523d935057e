"""`dnas predict --sieve`: a map without small patches, in every form."""

import csv
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from rasterio.features import sieve

from tests.support.command_line import dnas
from tests.support.predicting import read, write_scene


def test_all_forms_follow_the_sieved_map_which_is_that_of_gdal(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    plain, out, package = (tmp_path / name for name in ("plain.tif", "map.tif", "map.gpkg"))
    arguments = ("predict", models["rgb"], scene, "--window", 32, "--unsure", 0.6, "-o")
    dnas(*arguments, plain)
    expected = sieve(read(plain), 20)
    assert (expected != read(plain)).any()
    table = ("--areas", tmp_path / "areas.csv")
    dnas(*arguments, out, "-o", package, "--sieve", "20px", *table)
    assert np.array_equal(read(out), expected)
    indices, areas = pyogrio.read(package, layer="map")[3][1:]
    assert areas.min() > 19.99 * 100
    rows = list(csv.DictReader((tmp_path / "areas.csv").read_text().splitlines()))
    for index, row in enumerate(rows):
        pixels = np.count_nonzero(expected == index)
        assert int(row["pixels"]) == pixels
        assert areas[indices == index].sum() == pytest.approx(pixels * 100 / 0.9996**2, rel=1e-4)
    metric = tmp_path / "metric.tif"
    dnas(*arguments, metric, "--sieve", "2000m2")
    assert np.array_equal(read(metric), expected)


def test_a_sieved_map_is_resumed_with_the_same_bits(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.tif", tmp_path / "map.tif"
    arguments = ("predict", models["rgb"], scene, "--sieve", "30px", "-o")
    dnas(*arguments, whole)
    monkeypatch.setattr(
        "dnas_cli.scenes.sieve._follow", lambda *_: os.kill(os.getpid(), signal.SIGINT)
    )
    dnas(*arguments, out, code=130)
    monkeypatch.undo()
    assert "all rows are finished" in dnas(*arguments, out).stderr
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {
        "scene.tif", *(f"{name}{end}" for name in ("map", "whole") for end in
                       (".tif", ".tif.aux.xml", ".qml")),
    }  # fmt: skip


def test_sizes_that_make_no_sense_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "scene.tif")
    arguments = ("predict", models["rgb"], scene, "-o", tmp_path / "map.tif", "--sieve")
    assert "no size of patches" in dnas(*arguments, "20", code=2).stderr
    assert "no place on the ground" in dnas(*arguments, "20m2", code=4).stderr
    assert not (tmp_path / "map.tif").exists()
