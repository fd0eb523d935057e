"""`eval` of a folder scores what `predict` maps, whatever the files say of bands and nodata."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from dnas_cli.scenes.palette import palette_table
from tests.support.command_line import dnas
from tests.support.predicting import write_scene
from tests.support.small_models import CLASSES, write_model

RGB, RGBN = ("red", "green", "blue"), ("red", "green", "blue", "nir")


@pytest.mark.parametrize(
    ("bands", "file_bands", "nodata"),
    [
        (RGB, ("red", "green", "blue"), None),
        (RGB, ("blue", "red", "green"), None),
        (RGB, ("nir", "blue", "green", "red"), None),
        (RGB, ("red", "green", "blue"), 77.0),  # that of training; the file declares none
        (RGBN, ("", "", "", ""), None),  # GDAL calls the fourth alpha
        (RGBN, ("nir", "", "", ""), None),
    ],
)
def test_eval_scores_what_predict_maps(
    bands: Sequence[str],
    file_bands: Sequence[str],
    nodata: float | None,
    tmp_path: Path,
) -> None:
    model = write_model(tmp_path / "model.pt", bands, nodata=nodata)
    (tmp_path / "plain/images").mkdir(parents=True)
    (tmp_path / "plain/labels").mkdir()
    scene = write_scene(
        tmp_path / "plain/images/a.tif", len(file_bands), photometric="RGB", crs="EPSG:32631"
    )
    with rasterio.open(scene, "r+") as raster:
        for number, name in enumerate(file_bands, 1):
            if name:
                raster.set_band_description(number, name)
        values = raster.read()
        values[:, 20:60, 30:90] = 77
        raster.write(values)
    label = tmp_path / "plain/labels/a.png"
    indices = np.random.default_rng(1).integers(0, len(CLASSES), (150, 130))
    Image.fromarray(palette_table(CLASSES)[indices]).save(label)

    options = ("--truth", label, "--device", "cpu", "--json")
    mapped = dnas("predict", model, scene, "--out", tmp_path / "map.tif", *options).stdout
    scored = dnas("eval", model, tmp_path / "plain", "--device", "cpu", "--json").stdout

    figures = json.loads(scored)
    assert json.loads(mapped)[0]["truth"]["confusion"] == figures["confusion"]
    left_out = 40 * 60 if nodata else 0
    assert figures["metrics"]["pixels"] == 150 * 130 - left_out
