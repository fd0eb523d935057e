"""Normalisation by each image: the same network input in another light, from tiles to maps."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import torch

from dnas_cli.errors import DataError
from dnas_cli.mapping.image_moments import image_moments
from dnas_cli.model.model_file import Model, load_model, save_model
from dnas_cli.scenes.normalisation import Moments, Normalisation
from dnas_cli.scenes.opening import without_georeference
from dnas_cli.scenes.raster import open_raster
from dnas_cli.tiles.dataset_json import open_tile_set
from tests.support.command_line import dnas
from tests.support.small_models import write_model
from tests.support.small_scenes import make_plain, write_raster

PER_IMAGE = Normalisation(1.0, (100.0, 50.0), (10.0, 20.0), per_image=True)


def read(path: Path) -> npt.NDArray[Any]:
    with without_georeference(), rasterio.open(path) as raster:
        values: npt.NDArray[Any] = raster.read()
    return values


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Scenes of 70 x 64 pixels in two bands, each brighter than the one before; 0 is no data."""
    folder = make_plain(tmp_path / "scenes", nodata=0)
    with (folder / "dataset.yaml").open("a") as file:
        file.write("normalisation: image\n")
    return folder


def test_an_image_gets_mean_0_and_deviation_1_by_its_own_moments() -> None:
    image = np.random.default_rng(0).normal(300, 40, (2, 20, 20))
    moments = Moments(tuple(image.mean((1, 2))), tuple(image.std((1, 2))))
    normalised = PER_IMAGE.of_image(moments).apply(image)
    assert normalised.mean((1, 2)) == pytest.approx(0, abs=1e-5)
    assert normalised.std((1, 2)) == pytest.approx(1, rel=1e-5)
    plain = Normalisation(PER_IMAGE.scale, PER_IMAGE.mean, PER_IMAGE.std)
    assert plain.of_image(moments) is plain


def test_a_band_without_contrast_takes_the_usual_constants() -> None:
    by = Normalisation(0.5, (100.0, 50.0), (10.0, 20.0), per_image=True)
    fitted = by.of_image(Moments((30.0, 40.0), (0.0, 5.0)))
    assert fitted == Normalisation(1.0, (200.0, 40.0), (20.0, 5.0))


def test_it_is_kept_as_plain_data_and_the_usual_one_reads_as_before() -> None:
    assert Normalisation.from_json(PER_IMAGE.to_json()) == PER_IMAGE
    plain = Normalisation(1.0, (100.0,), (10.0,))
    assert plain.to_json() == {"scale": 1.0, "mean": [100.0], "std": [10.0]}
    assert Normalisation.from_json(plain.to_json()) == plain


def test_tiles_are_normalised_by_all_pixels_with_data_of_their_image(
    scenes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tiles"
    # 70 rows in tiles of 32: the last are shifted back, and what two share counts once here.
    dnas("tile", scenes, "--dataset", scenes / "dataset.yaml", "--out", out, "--size", 32)
    tiles = open_tile_set(out)
    assert tiles.normalisation.per_image
    seen = set()
    for split in ("train", "val", "test"):
        for ref in tiles.split(split):
            image = read(scenes / f"images/{ref.scene}.tif")
            valid = image[0] != 0
            fitted = tiles.normalisation_of(ref)
            assert fitted.mean == pytest.approx([band[valid].mean() for band in image])
            assert fitted.std == pytest.approx([band[valid].std() for band in image])
            # What `dnas predict` finds of the same image.
            with open_raster(scenes / f"images/{ref.scene}.tif") as scene:
                assert tiles.normalisation.of_image(image_moments(scene)) == fitted
            swapped = tiles.normalisation_of(ref, bands=(1, 0))
            assert swapped.mean == fitted.mean[::-1]
            seen.add(fitted.mean)
    assert len(seen) == 5
    facts = dnas("info", out).output
    assert "normalised by each image" in facts


@pytest.mark.parametrize("per_image", [True, False])
def test_a_map_is_the_same_in_another_light_only_when_normalised_per_image(
    per_image: bool, tmp_path: Path
) -> None:
    coarse = np.random.default_rng(1).integers(100, 8000, (3, 9, 8)).astype(np.uint16)
    values = np.repeat(np.repeat(coarse, 16, axis=1), 16, axis=2)
    values[:, :20, :30] = 0
    hazy = np.where(values == 0, 0, 2 * values + 3000).astype(np.uint16)
    maps = []
    model = write_model(tmp_path / "model.pt", dtype="uint16", largest=16_000)
    given = load_model(model, torch.device("cpu"))
    by = replace(given.facts.normalisation, per_image=per_image)
    facts = replace(given.facts, normalisation=by)
    save_model(model, Model(given.network, given.architecture, facts))
    for name, image in (("clear", values), ("hazy", hazy)):
        write_raster(tmp_path / f"{name}.tif", image, nodata=0)
        dnas(
            "predict", model, tmp_path / f"{name}.tif",
            "--out", tmp_path / f"{name}-map.tif",
        )  # fmt: skip
        maps.append(read(tmp_path / f"{name}-map.tif")[0])
    assert len(np.unique(maps[0])) > 2
    assert (np.mean(maps[0] == maps[1]) > 0.999) == per_image


def test_training_evaluation_and_scenes_agree_on_the_input(scenes: Path, tmp_path: Path) -> None:
    tiles, architecture = tmp_path / "tiles", tmp_path / "architecture.json"
    model = load_model(write_model(tmp_path / "any.pt"), torch.device("cpu"))
    model.architecture.write(architecture)
    dnas(
        "tile", scenes, "--dataset", scenes / "dataset.yaml", "--out", tiles,
        "--size", 64,
    )  # fmt: skip
    dnas(
        "retrain", tmp_path / "run", "--architecture", architecture, "--data", tiles,
        "--epochs", 2, "--width", 4, "--batch", 2, "--validate-every", 1,
    )  # fmt: skip
    dnas("eval", tmp_path / "run", "--split", "test")
    trained = load_model(tmp_path / "run/model.pt", torch.device("cpu"))
    assert trained.facts.normalisation.per_image
    assert "by each image" in dnas("info", tmp_path / "run/model.pt").output
    dnas("eval", tmp_path / "run", "--scenes")
    # Tiles that do not hold the light of their images are of no use to it.
    plain = tmp_path / "plain"
    shutil.copytree(tiles, plain)
    content = json.loads((plain / "dataset.json").read_text())
    for source in content["sources"]:
        del source["moments"]
    (plain / "dataset.json").write_text(json.dumps(content))
    said = dnas("eval", tmp_path / "run/model.pt", plain, code=4)
    assert "normalisation: image" in said.output
    for source in content["sources"]:
        source["moments"] = {"mean": [1.0], "std": [1.0]}
    (plain / "dataset.json").write_text(json.dumps(content))
    assert "is damaged" in dnas("eval", tmp_path / "run/model.pt", plain, code=4).output


def test_a_scene_damaged_in_the_pass_before_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(scene: object) -> Moments:
        raise DataError("scene.tif: cannot be read.")

    monkeypatch.setattr("dnas_cli.mapping.mapper.image_moments", damaged)
    write_raster(tmp_path / "scene.tif", np.ones((3, 70, 70), np.uint8))
    model = load_model(write_model(tmp_path / "model.pt"), torch.device("cpu"))
    by = replace(model.facts.normalisation, per_image=True)
    facts = replace(model.facts, normalisation=by)
    save_model(tmp_path / "model.pt", Model(model.network, model.architecture, facts))
    out = tmp_path / "map.tif"
    dnas("predict", tmp_path / "model.pt", tmp_path / "scene.tif", "-o", out, code=4)
    assert {path.name for path in tmp_path.iterdir()} == {"model.pt", "scene.tif"}


def test_tiles_that_were_cut_elsewhere_cannot_be_normalised_per_image(
    scenes: Path, tmp_path: Path
) -> None:
    said = dnas(
        "tile", scenes, "--from-lists", scenes, "--dataset", scenes / "dataset.yaml",
        "--out", tmp_path / "tiles", code=4,
    )  # fmt: skip
    assert "normalisation: image" in said.output
    assert not (tmp_path / "tiles").exists()


def test_a_word_that_is_no_normalisation_is_told(scenes: Path, tmp_path: Path) -> None:
    file = scenes / "dataset.yaml"
    file.write_text(file.read_text().replace("normalisation: image", "normalisation: scene"))
    said = dnas("tile", scenes, "--dataset", file, "--out", tmp_path / "tiles", code=4)
    assert "'image'" in said.output
