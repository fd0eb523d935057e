"""`dnas change`: transitions between two maps."""

import csv
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio

from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.writers import write_cog, write_draft, write_shares_draft
from tests.support.command_line import dnas
from tests.support.same_bits import differences
from tests.support.small_models import CLASSES

PLACE = Georeference(
    rasterio.crs.CRS.from_epsg(32631).to_wkt(), (10.0, 0.0, 500_000.0, 0.0, -10.0, 4_000_000.0)
)


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    old = np.zeros((40, 60), np.uint8)
    old[:, 30:] = 1
    new = old.copy()
    new[10:20, 30:40] = 2
    new[0, :5] = 255
    return _map(tmp_path / "old.tif", old), _map(tmp_path / "new.tif", new)


def test_transitions_are_a_raster_a_table_and_polygons(
    maps: tuple[Path, Path], tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    out, package, table = (tmp_path / f"change{end}" for end in (".tif", ".gpkg", ".csv"))
    said = dnas("change", *maps, "-o", out, "-o", package, "--table", table, "--json").stdout
    found = json.loads(said)
    assert "overstate change" in found["caution"]
    assert found["pixels"] == 40 * 60 - 5
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {(row["old"], row["new"]): int(row["pixels"]) for row in rows} == {
        ("built-up", "built-up"): 1195,
        ("farmland", "farmland"): 1100,
        ("farmland", "water"): 100,
    }
    assert {row["new"]: row["hectares"] for row in rows}["water"] == "1.0008"
    with rasterio.open(out) as raster:
        values, tags = raster.read(1), raster.tags(1)
        assert raster.crs.to_epsg() == 32631
        colour = raster.colormap(1)[int(values[15, 35])]
    assert tags[f"CLASS_{values[15, 35]}"] == "farmland to water"
    assert colour == (0, 0, 255, 255)
    assert (values[0, :5] == 255).all()
    assert np.count_nonzero(values == 0) == 2295
    columns = pyogrio.read(package, layer="change")[3]
    assert dict(zip(columns[0], columns[2], strict=True))["farmland to water"] == (
        pytest.approx(100 * 100 / 0.9996**2, rel=1e-5)
    )


def test_pixels_that_either_map_is_not_sure_of_are_left_out(
    maps: tuple[Path, Path], tmp_path: Path
) -> None:
    shares = np.full((40, 60), 254, np.uint8)
    shares[10:15] = 100
    sure = _shares(tmp_path / "sure.tif", shares)
    out = ("-o", tmp_path / "change.tif", "--overwrite")
    for side in ("--old-confidence", "--new-confidence"):
        found = json.loads(dnas("change", *maps, *out, side, sure, "--json").stdout)
        changed = [item for item in found["transitions"] if item["old"] != item["new"]]
        assert [item["pixels"] for item in changed] == [50]
        assert found["unsure"] == 300
    said = dnas("change", *maps, *out, "--new-confidence", sure, "--min-confidence", 0.3).stdout
    assert "left out" not in said


def test_maps_that_cannot_be_compared_are_refused(maps: tuple[Path, Path], tmp_path: Path) -> None:
    old, _ = maps
    values = np.zeros((40, 60), np.uint8)
    out = ("-o", tmp_path / "change.tif")
    a, b, c, d, e, f = PLACE.transform or (0,) * 6
    moved = Georeference(PLACE.crs_wkt, (a, b, c + 2, d, e, f))
    other = _map(tmp_path / "moved.tif", values, moved)
    assert "grid" in dnas("change", old, other, *out, code=4).stderr
    fewer = _map(tmp_path / "fewer.tif", values, classes=CLASSES[:2])
    assert "other classes" in dnas("change", old, fewer, *out, code=4).stderr
    shares = _shares(tmp_path / "shares.tif", values)
    assert "names no classes" in dnas("change", old, shares, *out, code=4).stderr
    assert not (tmp_path / "change.tif").exists()


def _map(
    path: Path,
    values: npt.NDArray[np.uint8],
    place: Georeference = PLACE,
    classes: tuple[object, ...] = CLASSES,
) -> Path:
    draft = path.with_suffix(".draft.tif")
    write_draft(draft, _rows(values), CLASSES[: len(classes)], place, {})
    write_cog(draft, path, "MODE")
    return path


def _shares(path: Path, values: npt.NDArray[np.uint8]) -> Path:
    write_shares_draft(path, _rows(values), ["confidence"], PLACE, {})
    return path


def _rows(values: npt.NDArray[np.uint8]) -> Rows:
    height, width = values.shape
    return Rows(1, height, width, lambda start, stop: values[None, start:stop])


def test_killed_between_its_files_the_same_command_resumes(
    maps: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyogrio")
    whole, again = tmp_path / "whole", tmp_path / "again"

    def command(folder: Path) -> tuple[object, ...]:
        out = ("-o", folder / "change.tif", "-o", folder / "change.gpkg")
        return ("change", *maps, *out, "--table", folder / "change.csv")

    dnas(*command(whole))
    with monkeypatch.context() as patch:
        patch.setattr("dnas_cli.mapping.change.write_polygons", _killed)
        patch.setattr("dnas_cli.claimed_outputs._remove", lambda record: None)
        dnas(*command(again), code=130)
    (again / ".change.tif.aux.0badcafe.part.xml").touch()
    assert (again / "change.tif").is_file()
    other = ("change", *maps, "-o", again / "change.tif")
    assert "exists already" in dnas(*other, code=3).stderr  # another command, which made none of it
    dnas(*command(again))
    assert differences(whole, again) == []
    assert "exists already" in dnas(*command(again), code=3).stderr


def test_names_of_the_longest_size_are_written(maps: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / f"{'変' * 80}.tif"
    dnas("change", *maps, "-o", out, "--table", tmp_path / "change.csv")
    assert out.is_file()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
