"""`dnas predict --clip`: only what lies inside polygons is mapped and paid for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom

from tests.support.command_line import dnas
from tests.support.predicting import read


def test_inside_the_map_is_the_same_and_outside_there_is_none(
    models: dict[str, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, part = tmp_path / "whole.tif", tmp_path / "part.tif"
    ring = [(500_300, 3_999_700), (500_700, 3_999_650), (500_500, 3_999_200), (500_300, 3_999_700)]
    shape = {"type": "Polygon", "coordinates": [ring]}
    clip = _polygons(tmp_path / "area.gpkg", transform_geom("EPSG:32631", "EPSG:4326", shape))
    images = _counted(monkeypatch)
    dnas("predict", models["rgb"], scene, "-o", whole)
    all_images = sum(images)
    images.clear()
    dnas("predict", models["rgb"], scene, "-o", part, "--clip", clip)
    with rasterio.open(scene) as raster:
        inside = geometry_mask([shape], raster.shape, raster.transform, invert=True)
    assert 500 < inside.sum() < 2500
    assert np.array_equal(read(part), np.where(inside, read(whole), 255))
    assert 0 < sum(images) < all_images


def test_polygons_that_miss_the_scene_are_refused(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    far = {"type": "Polygon", "coordinates": [[(20, 0), (21, 0), (21, 1), (20, 0)]]}
    clip = _polygons(tmp_path / "area.gpkg", far)
    out = ("-o", tmp_path / "map.tif", "--clip")
    assert "does not cover" in dnas("predict", models["rgb"], scene, *out, clip, code=4).stderr
    assert "is no vector file" in dnas("predict", models["rgb"], scene, *out, scene, code=4).stderr
    assert not (tmp_path / "map.tif").exists()


def _polygons(path: Path, shape: dict[str, Any]) -> Path:
    pyogrio = pytest.importorskip("pyogrio.raw")
    shapely = pytest.importorskip("shapely")
    outlines = np.array([shapely.to_wkb(shapely.geometry.shape(shape))], np.object_)
    pyogrio.write(
        path, geometry=outlines, field_data=[], fields=[], geometry_type="Polygon",
        crs="EPSG:4326", driver="GPKG",
    )  # fmt: skip
    return path


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from dnas_cli.mapping import stream

    counts: list[int] = []
    run = stream.probabilities

    def counting(predictor: Any, images: Any) -> Any:
        counts.append(len(images))
        return run(predictor, images)

    monkeypatch.setattr(stream, "probabilities", counting)
    return counts
