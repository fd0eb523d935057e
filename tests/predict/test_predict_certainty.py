"""`dnas predict`: how sure a map is, and a class for what it is not sure of."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from dnas_cli.mapping.blending import Blend
from dnas_cli.mapping.window_batches import WindowBatch
from dnas_cli.mapping.windows import WindowGrid
from tests.support.command_line import dnas
from tests.support.predicting import read
from tests.support.small_models import write_model


def test_entropy_and_margin_are_those_of_the_probabilities(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    names = ("probabilities", "entropy", "margin")
    more = [item for name in names for item in (f"--{name}", tmp_path / f"{name}.tif")]
    with rasterio.open(scene, "r+") as raster:
        raster.nodata = raster.read()[0, 0, 0]
    dnas("predict", models["rgb"], scene, "-o", tmp_path / "map.tif", "--window", 32, *more)
    with rasterio.open(tmp_path / "probabilities.tif") as raster:
        stored = raster.read()
    nodata = stored[0] == 255
    assert nodata.any()
    shares = np.clip(stored / 254, 1e-9, 1)
    entropy = -(shares * np.log(shares)).sum(axis=0) / np.log(3)
    highest = np.sort(shares, axis=0)
    for name, expected in (("entropy", entropy), ("margin", highest[-1] - highest[-2])):
        with rasterio.open(tmp_path / f"{name}.tif") as raster:
            values = raster.read(1)
            assert raster.descriptions == (name,)
            assert raster.scales == pytest.approx((1 / 254,))
        assert (values[nodata] == 255).all()
        assert np.abs(values / 254 - expected)[~nodata].max() < 0.03
        assert np.ptp(values[~nodata]) > 100


@pytest.mark.parametrize(
    ("shares", "entropy", "margin"),
    [((1.0, 0.0), 0, 254), ((0.5, 0.5), 254, 0), ((0.75, 0.25), 206, 127), ((1.0,), 0, 254)],
)
def test_entropy_is_zero_for_one_class_and_one_where_all_are_equal(
    shares: tuple[float, ...], entropy: int, margin: int
) -> None:
    blend = Blend(WindowGrid(2, 0), 2, 2, len(shares), torch.device("cpu"), False, True)
    block = torch.tensor(shares)[None, :, None, None].expand(1, len(shares), 2, 2)
    window = WindowBatch(0, 0, np.zeros((1, 1, 2, 2), np.float32), (True,), np.ones((2, 2), bool))
    rows = blend.add(window, block.clone())
    assert rows is not None
    assert rows.entropy is not None
    assert rows.margin is not None
    assert (rows.entropy == entropy).all()
    assert (rows.margin == margin).all()


def test_pixels_that_a_map_is_not_sure_of_are_a_class_in_every_form(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    pyogrio = pytest.importorskip("pyogrio.raw")
    plain, sure = tmp_path / "plain.tif", tmp_path / "sure.tif"
    dnas("predict", models["rgb"], scene, "-o", plain, "--confidence", sure)
    out, package = tmp_path / "map.tif", tmp_path / "map.gpkg"
    arguments = ("predict", models["rgb"], scene, "--unsure", 0.6)
    said = dnas(*arguments, "-o", out, "-o", package, "-o", tmp_path / "map.png", "--json").stdout
    expected = np.where(read(sure) < round(0.6 * 254), 3, read(plain))
    assert set(np.unique(expected)) == {0, 1, 2, 3}
    assert np.array_equal(read(out), expected)
    assert np.array_equal(read(tmp_path / "map.png"), expected)
    with rasterio.open(out) as raster:
        assert raster.tags(1)["CLASS_3"] == "unsure"
        assert raster.colormap(1)[3] == (128, 128, 128, 255)
    assert 'label="unsure"' in out.with_suffix(".qml").read_text()
    (result,) = json.loads(said)
    assert [item["name"] for item in result["classes"]][3:] == ["unsure"]
    assert result["classes"][3]["pixels"] == np.count_nonzero(expected == 3)
    names, indices, areas = pyogrio.read(package, layer="map")[3]
    assert set(names[indices == 3]) == {"unsure"}
    assert areas[indices == 3].sum() == pytest.approx(
        result["classes"][3]["area_km2"] * 1e6, rel=1e-5
    )
    again = tmp_path / "again.tif"
    dnas("predict", models["rgb"], scene, "-o", again, "--unsure", 0.9)
    found = json.loads(dnas("change", out, again, "-o", tmp_path / "c.tif", "--json").stdout)
    assert {(item["old"], item["new"]) for item in found["transitions"]} >= {
        ("unsure", "unsure"), ("water", "unsure"),
    }  # fmt: skip


def test_pixels_that_a_map_is_not_sure_of_are_not_scored(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    label, out = tmp_path / "label.png", tmp_path / "map.tif"
    dnas("predict", models["rgb"], scene, "-o", label)
    arguments = ("predict", models["rgb"], scene, "-o", out, "--unsure", 0.6, "--truth", label)
    (result,) = json.loads(dnas(*arguments, "--labels-as-is", "--json").stdout)
    metrics = result["truth"]["metrics"]
    assert metrics["pixels"] == np.count_nonzero(read(out) != 3)
    assert metrics["overall_accuracy"] == 1
    assert result["truth"]["confusion"]["unpredicted"] == [0, 0, 0]


def test_values_of_labels_leave_one_for_unsure_pixels(scene: Path, tmp_path: Path) -> None:
    classes = (
        "bands: [red, green, blue]\nlabel_kind: index\n"
        "classes: [{name: a, value: 7}, {name: b, value: 3}, {name: c, value: 255}]\n"
    )
    model = write_model(tmp_path / "model.pt", classes=classes)
    out = tmp_path / "map.tif"
    dnas("predict", model, scene, "-o", out, "--values", "labels", "--unsure", 0.99)
    with rasterio.open(out) as raster:
        assert raster.tags(1)["CLASS_257"] == "unsure"
        assert raster.nodata == 256
        assert 257 in raster.read(1)


def test_a_map_with_another_limit_is_another_map(
    models: dict[str, Path], scene: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    scene.rename(folder / "scene.tif")
    arguments = ("predict", models["rgb"], folder, "-o", tmp_path / "maps")
    dnas(*arguments, "--unsure", 0.6)
    assert "skipped" in dnas(*arguments, "--unsure", 0.6).stdout
    assert "otherwise" in dnas(*arguments, code=3).stderr
