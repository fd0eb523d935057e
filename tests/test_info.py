"""`dnas info`: what a file is, as text and as JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.rows import Rows
from dnas_cli.scenes.writers import write_draft
from tests.support.command_line import dnas
from tests.support.small_models import write_model


def _facts(path: Path) -> Any:
    result = dnas("info", path, "--json")
    return json.loads(result.stdout)


def test_a_scene_is_shown_with_bands_place_storage_and_values(real_data: Path) -> None:
    facts = _facts(real_data / "naip_nd/m_4709963_se_14_1_20100629.tif")
    assert facts["kind"] == "raster"
    assert (facts["width"], facts["height"], facts["dtype"]) == (934, 723, "uint8")
    assert facts["nodata"] == 0
    assert [band["name"] for band in facts["bands"]] == ["1", "2", "3", "4"]
    assert (facts["bands"][0]["min"], facts["bands"][0]["max"]) == (26, 244)
    assert facts["georeference"]["epsg"] == 26914
    assert facts["georeference"]["pixel_size"] == [5, 5]


def test_an_undeclared_collar_is_pointed_out(real_data: Path) -> None:
    path = real_data / "landsat8_scene/LC08_L1TP_224078_20200518_20200518_01_RT.TIF"
    result = dnas("info", path)
    assert "not declared" in result.stdout
    assert "16.5 % are 0 in all bands" in result.stdout
    assert "(EPSG:32621)" in result.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cog_cmap.tif", "class indices with a palette"),
        ("cog_gcps.tif", "210 ground control points"),
        ("inverted_lat.tif", "south up"),
        ("umbra_mount_yasur.tiff", "rotated"),
        ("cog_rgb_mask.tif", "no data       mask; 96.9 %"),
        ("RGBA.uint16.tif", "alpha band"),
        ("image_nan.tif", "NaN"),
        ("cog_scale.tif", "0.001     2000"),
        ("all-nodata.tif", "0.0 % of the pixels hold data"),
    ],
)
def test_what_is_odd_about_a_file_is_shown(name: str, said: str, real_data: Path) -> None:
    path = real_data / "odd_geotiffs" / name
    result = dnas("info", path)
    assert said in result.stdout
    _facts(path)


@pytest.mark.parametrize("name", ["corrupt.tif", "sar_vv.tif", "missing.tif"])
def test_what_cannot_be_read_is_bad_input(name: str, real_data: Path) -> None:
    path = real_data / "odd_geotiffs" / name
    result = dnas("info", path, code=4)
    assert str(path) in result.stderr


def test_a_map_is_shown_with_its_classes_whatever_their_names(tmp_path: Path) -> None:
    classes = [LandClass("trees, dense", (0, 80, 0)), LandClass("water", (0, 0, 255))]
    rows = Rows(1, 8, 8, lambda start, stop: np.zeros((1, stop - start, 8), np.uint8))
    write_draft(tmp_path / "map.tif", rows, classes, Georeference(), {})
    assert _told(tmp_path / "map.tif")["classes"] == ["trees, dense", "water"]


def _told(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(dnas("info", path, "--json").stdout)
    assert dnas("info", path).stdout.startswith(f"{path}: {facts['kind']}")
    return facts


def test_a_run_is_shown_with_its_stages(decoded: Path) -> None:
    facts = _told(decoded)
    assert facts["kind"] == "run"
    assert facts["stages"]["stage1"]["state"] == "decoded"


def test_a_tile_set_is_shown_with_the_share_of_each_class(tiny_tiles: Path) -> None:
    facts = _told(tiny_tiles)
    assert facts["kind"] == "tile set"
    assert facts["splits"]["train"]["tiles"] == 16
    assert "farmland" in dnas("info", tiny_tiles).stdout


def test_codings_are_told_with_hash_and_lineage(decoded: Path) -> None:
    path, space = _told(decoded / "coding/path.json"), _told(decoded / "coding/stage1.json")
    assert (path["kind"], space["kind"]) == ("path coding", "search space")
    assert path["derived_from"] == space["hash"]
    assert len(path["path"]) == 3


def test_models_and_checkpoints_are_told_apart(decoded: Path, tmp_path: Path) -> None:
    checkpoint = _told(decoded / "search/stage1/last.pt")
    assert checkpoint["schema"] == "dnas/checkpoint"
    assert checkpoint["position"]["epoch"] == 2
    model = _told(write_model(tmp_path / "model.pt"))
    assert model["schema"] == "dnas/model"
    assert model["cost"]["network"]["parameters"] > 0


def test_what_dnas_does_not_know_is_reported_as_that(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("fields and rivers")
    assert (
        "notes.txt: is a file that dnas does not know"
        in dnas("info", tmp_path / "notes.txt", code=4).stderr
    )
    (tmp_path / "folder").mkdir()
    message = dnas("info", tmp_path / "folder", code=4).stderr
    assert "folder: is a folder that dnas does not know" in message
    assert "Name a file or folder in it." in message


def test_a_torch_file_of_someone_else_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    assert "neither a model nor a checkpoint" in dnas("info", tmp_path / "other.pt", code=4).stderr
