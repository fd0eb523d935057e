"""A label's own mask, alpha, transparency, NaN and nodata mean "no label", on every way in."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from dnas_cli.tiles.dataset_json import open_tile_set
from tests.support.command_line import dnas
from tests.support.reported_inputs import (
    INDEX,
    class_shares,
    dataset,
    noise,
    place,
    png,
    put,
    quarters,
    scenes,
    tiles_of,
    truth_of,
)
from tests.support.small_models import CLASSES, write_model

HALVES = "classes: {ground: [0, 0, 0], roof: [255, 0, 0], tree: [0, 255, 0]}\n"


def _masked(path: Path) -> None:
    mask = np.zeros((64, 64), bool)
    mask[:, :48] = True
    put(path.with_suffix(".tif"), np.where(mask, quarters(), 0).astype(np.uint8), mask)


def _nan(path: Path) -> None:
    values = quarters().astype(np.float32)
    values[:, 48:] = np.nan
    put(path.with_suffix(".tif"), values)


def _alpha(path: Path) -> None:
    values = np.zeros((2, 64, 64), np.uint8)
    values[0], values[1, :, :48] = quarters(), 255
    put(path.with_suffix(".tif"), values, photometric="MINISBLACK", alpha="YES")


def _nodata(path: Path) -> None:
    values = quarters()
    values[:, 48:] = 77
    put(path.with_suffix(".tif"), values, nodata=77)


def _rgba(path: Path) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)[quarters()]
    colours[:, 48:] = 0
    alpha = np.full((64, 64, 1), 255, np.uint8)
    alpha[:, 48:] = 0
    png(path.with_suffix(".png"), np.dstack([colours, alpha]))


def _palette(path: Path) -> None:
    values = quarters()
    values[:, 48:] = 9
    picture = Image.fromarray(values)
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [0] * 21)
    png(path.with_suffix(".png"), picture, transparency=bytes([255] * 9 + [0]))


FORMS = {
    "mask": (_masked, INDEX), "nan": (_nan, INDEX), "alpha": (_alpha, INDEX),
    "nodata": (_nodata, INDEX), "rgba": (_rgba, HALVES), "palette": (_palette, HALVES),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_what_the_label_itself_takes_out_is_unlabelled_in_tiles(form: str, tmp_path: Path) -> None:
    write, description = FORMS[form]
    folder = scenes(dataset(tmp_path / "data", description))
    for number in range(3):
        write(folder / f"labels/s{number}")
    assert class_shares(tiles_of(folder))["unlabelled"] == pytest.approx(0.25)


def test_files_beside_a_label_count_where_it_is_cut(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX))
    for number in range(3):
        label = folder / f"labels/s{number}.tif"
        if number == 0:
            put(label, quarters(), **place())
            beside = rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False)
            with beside, rasterio.open(label, "r+") as raster:
                raster.write_mask(np.arange(64) < np.full((64, 1), 48))
            assert label.with_name("s0.tif.msk").exists()
        else:
            png(label.with_suffix(".png"), np.where(np.arange(64) < 48, quarters(), 7))
            nodata = "<PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand>"
            notes = label.with_name(f"s{number}.png.aux.xml")
            notes.write_text(f"<PAMDataset>{nodata}</PAMDataset>")
    assert class_shares(tiles_of(folder))["unlabelled"] == pytest.approx(0.25)


@pytest.mark.parametrize("form", FORMS)
def test_and_unscored_by_truth_and_by_eval_of_a_folder(form: str, tmp_path: Path) -> None:
    write, _ = FORMS[form]
    model = write_model(tmp_path / "model.pt")
    data = tmp_path / "data"
    image = put(data / "images/s.tif", noise(), **place())
    write(data / "labels/s")
    (label,) = (data / "labels").iterdir()
    names = [item.name for item in CLASSES]
    colours = [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
    classes = [{"name": n, "colour": c} for n, c in zip(names, colours, strict=True)]
    kind = "index" if FORMS[form][1] is INDEX else "colour"
    described = tmp_path / "labels.yaml"
    described.write_text(f"label_kind: {kind}\nclasses: {json.dumps(classes)}\n")
    score = truth_of(model, image, label, tmp_path / "map.tif", "--dataset", described)
    folder = json.loads(
        dnas("eval", model, data, "--dataset", described, "--json", "--device", "cpu").stdout
    )
    assert score["metrics"]["pixels"] == folder["metrics"]["pixels"] == 64 * 48


def test_nodata_that_is_also_a_class_is_unlabelled_and_said_once(tmp_path: Path) -> None:
    folder = scenes(dataset(tmp_path / "data", INDEX))
    for number in range(3):
        put(folder / f"labels/s{number}.tif", quarters(), nodata=0)
    out = tmp_path / "tiles"
    given = ("tile", folder, "--out", out, "--size", 32, "--workers", 1, "--keep-empty")
    said = dnas(*given).stderr
    assert said.count("declares nodata 0, which is also the class 'water'") == 1
    assert class_shares(open_tile_set(out))["unlabelled"] == 0.25
    for number, name in enumerate(("train", "val", "test")):
        (folder / f"{name}.lst").write_text(f"images/s{number}.tif\tlabels/s{number}.tif\n")
    lists = ("tile", folder, "--out", tmp_path / "listed", "--from-lists", folder)
    assert dnas(*lists).stderr.count("declares nodata 0, which is also the class 'water'") == 1
    assert class_shares(open_tile_set(tmp_path / "listed"))["unlabelled"] == 0.25


def test_a_truth_is_scored_where_its_mask_has_labels(tmp_path: Path) -> None:
    image, model = put(tmp_path / "s.tif", noise()), write_model(tmp_path / "m.pt", classes=INDEX)
    left = np.arange(64) < np.full((64, 1), 32)
    label = put(tmp_path / "label.tif", np.where(left, quarters(), 0).astype(np.uint8), left)
    assert truth_of(model, image, label, tmp_path / "map.tif")["metrics"]["pixels"] == 2048
    _palette(tmp_path / "palette")  # a quarter is transparent, a quarter black, which is no label
    model = write_model(tmp_path / "colours.pt")
    score = truth_of(model, image, tmp_path / "palette.png", tmp_path / "map.tif")
    assert score["metrics"]["pixels"] == 2048
