"""`dnas predict` over folders, lists and names that only GDAL knows."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import dnas
from tests.support.predicting import read


def test_real_naip_dates_with_four_bands_and_a_rerun_that_skips_them(
    models: dict[str, Path], real_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "maps"
    arguments = (models["rgbn"], real_data / "naip_nd", "--out", folder, "--window", 256, "--json")
    first = json.loads(dnas("predict", *arguments).stdout)
    assert [item["status"] for item in first] == ["done", "done"]
    assert [item["height"] for item in first] == [723, 724]
    assert sum(item["pixels"] for item in first[0]["classes"]) == 723 * 934
    assert sum(item["area_km2"] for item in first[0]["classes"]) == pytest.approx(
        16.88205, rel=2e-3
    )
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = json.loads(dnas("predict", *arguments).stdout)
    assert [item["status"] for item in again] == ["skipped", "skipped"]
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written


def test_one_bad_scene_does_not_stop_the_others(
    models: dict[str, Path], scene: Path, real_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    shutil.copy(scene, folder / "good.tif")
    shutil.copy(real_data / "odd_geotiffs/corrupt.tif", folder / "corrupt.tif")
    (folder / "text.tif").write_text("not a raster")
    maps = tmp_path / "maps"
    said = dnas("predict", models["rgb"], folder, "-o", f"{maps}/{{name}}.png", code=None)
    assert said.exit_code == 1
    assert "2 of 3 scenes failed" in said.stderr
    assert "corrupt.tif: cannot be read" in said.stderr
    assert "text.tif: cannot be opened" in said.stderr
    assert sorted(path.name for path in maps.iterdir()) == [
        "good.pgw", "good.png", "good.png.aux.xml", "good.qml",
    ]  # fmt: skip


def test_a_list_of_scenes_that_is_a_pipe_or_endless_is_refused(
    models: dict[str, Path], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "endless.txt").symlink_to("/dev/zero")
    for name in ("pipe.txt", "endless.txt", "missing.txt"):
        said = dnas("predict", models["rgb"], tmp_path / name, "-o", tmp_path / "maps", code=4)
        assert name in said.stderr


def test_names_that_only_gdal_understands_are_passed_on(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        archive.write(scene, "inner.tif")
    listed = tmp_path / "scenes.txt"
    listed.write_text(f"/vsizip/{tmp_path}/scenes.zip/inner.tif\n{scene}\n")
    dnas("predict", models["rgb"], listed, "-o", tmp_path / "maps")
    maps = [read(tmp_path / "maps" / name) for name in ("inner.tif", "scene.tif")]
    assert np.array_equal(maps[0], maps[1])
