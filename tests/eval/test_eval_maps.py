"""`dnas eval --maps`: maps of evaluated scenes on the ground."""

import csv
import json
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas


def test_maps_and_errors_of_a_scene_lie_on_it_and_add_up_to_its_figures(
    run: Path, tiles: TileSet, tmp_path: Path
) -> None:
    folder = tmp_path / "maps"
    command = ("eval", run, "--maps", folder, "--json", "--device", "cpu")
    figures = json.loads(dnas(*command).stdout)
    (scene,) = figures["scenes"]
    name = scene["name"]
    written = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    files = {f"{name}.tif", f"{name}_errors.tif", f"{name}_panel.png", "worst.csv"}
    assert files <= {Path(path).name for path in figures["files"]} & written
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]

    counts, classes = np.array(scene["confusion"]["counts"]), len(tiles.classes)
    content = json.loads((tiles.root / "dataset.json").read_text())
    (source,) = [item for item in content["sources"] if item["scene"] == scene["name"]]
    image = (tiles.root / content["source"]).resolve() / source["image"]["path"]
    with (
        rasterio.open(image) as original,
        rasterio.open(folder / f"{name}.tif") as mapped,
        rasterio.open(folder / f"{name}_errors.tif") as errors,
    ):
        for raster in (mapped, errors):
            assert (raster.crs, raster.transform) == (original.crs, original.transform)
            assert raster.shape == original.shape
        values, shown = errors.read(1), mapped.read(1)
        scored = values != errors.nodata
        pairs = np.bincount(values[scored], minlength=classes**2).reshape(classes, classes)
        assert (pairs == counts).all()
        assert (values[scored] % classes == shown[scored]).all()
        label, other = np.unravel_index((counts - np.diag(np.diag(counts))).argmax(), counts.shape)
        pair = int(label * classes + other)
        names = [item.name for item in tiles.classes]
        assert errors.tags(1)[f"CLASS_{pair}"] == f"{names[label]} mapped as {names[other]}"
        assert errors.colormap(1)[pair][:3] == tiles.classes[int(other)].colour

    with (folder / "worst.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9  # windows of 64 in a scene of 180
    accuracies = [float(row["accuracy"]) for row in rows]
    assert accuracies == sorted(accuracies)
    worst = rows[0]
    top, left = int(worst["row"]), int(worst["column"])
    part = values[top : top + int(worst["height"]), left : left + int(worst["width"])]
    part = part[part != errors.nodata]
    assert int(worst["labelled_pixels"]) == part.size
    assert int(worst["wrong_pixels"]) == (part // classes != part % classes).sum()
    with Image.open(folder / f"{name}_panel.png") as picture:
        assert picture.width > 4 * 300

    assert "exists" in dnas(*command, code=3).stderr
    before = (folder / f"{name}.tif").read_bytes()
    for path in list(folder.iterdir()):
        path.unlink()
    dnas(*command)  # figures stand, maps are made again
    assert (folder / f"{name}.tif").read_bytes() == before
