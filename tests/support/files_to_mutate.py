"""A small file of every kind that is read, for `mutation` to change."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.command_line import dnas
from tests.support.tortured import write_scenes


def build_fixture(folder: Path, data: Path | None) -> None:
    """Make a small file of every kind that is read.

    Args:
        folder: Where to.
        data: The folder of real imagery; a synthetic raster takes its place where it is missing.
    """
    from dnas_cli.nets.network import NetworkShape
    from dnas_cli.release1.codings import read_release1
    from tests.support.release1_files import random_state, write_checkpoint

    write_scenes(folder)
    tiles, run, old = folder / "tiles", folder / "run", folder / "old"
    dnas("tile", folder / "scenes", "--out", tiles, "--size", 32, "--workers", 1)
    quick = ("--epochs", 2, "--logits-from", 1, "--batch", 2, "--head", 4, "--device", "cpu")
    dnas("search", run, "--stage", 1, "--data", tiles, "--layers", 2, "--width", 2, *quick)
    dnas("decode", run, "--stage", 1)
    for stage in (2, 3):
        dnas("search", run, "--stage", stage, *quick)
        dnas("decode", run, "--stage", stage)
    dnas("retrain", run, "--epochs", 1, "--batch", 2, "--device", "cpu")
    shutil.copy(run / "model.pt", folder / "model.pt")
    dnas("export-coding", run, "--out", old)
    coding = read_release1(old / "third_connect.npy", old / "cell_operations.npy")
    write_checkpoint(old / "model.pth.tar", random_state(coding, NetworkShape(2, 4, 5)))
    shutil.copytree(run, folder / "unfinished")
    (folder / "unfinished/search/stage1/previous.pt").unlink()
    manifest = json.loads((run / "run.json").read_text())
    manifest["stages"]["stage1"]["phase"] = "started"
    (folder / "unfinished/run.json").write_text(json.dumps(manifest))
    image, label = (tiles / "test.lst").read_text().splitlines()[0].split("\t")
    for name, listed in (("first.tif", image), ("first.png", label)):
        (tiles / listed).rename(tiles / name)
        (tiles / listed).symlink_to(tiles / name)
    odd = sorted((data / "odd_geotiffs").glob("*.tif*")) if data else []
    for number, path in enumerate(odd or [tiles / "first.tif"]):
        if path.stat().st_size < 1 << 20 and _pixels(path) < 10_000_000:
            shutil.copy(path, folder / f"odd-{number}.tif")
    shutil.copy(tiles / "first.tif", folder / "odd.tif")
    _write_notes(folder)
    (folder / "own.yaml").write_text(
        "name: own\nimages: image_RGBNIR/{scene}.tif\nlabels: label_5classes/{scene}_label.tif\n"
        "bands: [red, green, blue, nir]\nignore: [[0, 0, 0]]\nclasses:\n  built-up: [255, 0, 0]\n"
        "  farmland: [0, 255, 0]\n  forest: [0, 255, 255]\n  meadow: [255, 255, 0]\n"
        "  water: [0, 0, 255]\nnormalisation:\n  scale: 0.004\n  mean: [0.4, 0.4, 0.4, 0.4]\n"
        "  std: [0.2, 0.2, 0.2, 0.2]\n"
    )
    _write_newer_files(folder)
    (folder / "settings.yaml").write_text(
        "epochs: 2\nlogits-from: 1\nbatch: 2\nlearning-rate: 0.025\nloss: cross-entropy\n"
        "augment: mirror\nseed: 0\nmomentum: 0.9\n"
    )


_NOTES = """\
<PAMDataset>
  <SRS>EPSG:32632</SRS>
  <GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>
  <Metadata><MDI key="AREA_OR_POINT">Point</MDI><MDI key="TIFFTAG_DATETIME">2020</MDI></Metadata>
  <PAMRasterBand band="1">
    <Description>red</Description>
    <NoDataValue>0</NoDataValue>
    <UnitType>metre</UnitType>
    <Offset>10</Offset>
    <Scale>0.5</Scale>
    <ColorInterp>Palette</ColorInterp>
    <ColorTable><Entry c1="1" c2="2" c3="3" c4="255" /><Entry c1="4" c2="5" c3="6" c4="0" />
    </ColorTable>
    <CategoryNames><Category>wheat</Category><Category>maize</Category></CategoryNames>
    <Histograms><HistItem><HistMin>0</HistMin><HistMax>255</HistMax><BucketCount>2</BucketCount>
      <HistCounts>3|4</HistCounts></HistItem></Histograms>
    <Metadata><MDI key="STATISTICS_MEAN">3</MDI><MDI key="wavelength">665</MDI></Metadata>
    <Metadata domain="IMAGE_STRUCTURE"><MDI key="NBITS">8</MDI></Metadata>
  </PAMRasterBand>
</PAMDataset>
"""


def _pixels(path: Path) -> int:
    import rasterio

    try:
        with rasterio.open(path) as raster:
            return int(raster.width * raster.height)
    except rasterio.RasterioIOError:  # one of the damaged files
        return 0


def _write_notes(folder: Path) -> None:
    """Write a scene and a data set of one band with notes beside the rasters, as GDAL writes them.

    The places in the notes stand in no other file.
    """
    import numpy as np
    import rasterio

    values = np.arange(64 * 64, dtype=np.uint8).reshape(1, 64, 64) % 2
    scene, data = folder / "noted.tif", folder / "noted"
    for name in ("images", "labels"):
        (data / name).mkdir(parents=True)
    pictures = [
        scene,
        *(data / name / f"{letter}.tif" for name in ("images", "labels") for letter in "abc"),
    ]
    for path in pictures:
        count = 4 if path == scene else 1
        profile = {"driver": "GTiff", "count": count, "dtype": "uint8", "width": 64, "height": 64}
        with rasterio.open(path, "w", **profile) as raster:
            raster.write(values.repeat(count, axis=0))
    of_place = _NOTES.partition("  <PAMRasterBand")[0] + "</PAMDataset>"
    notes = ((scene, _NOTES), (data / "labels/a.tif", _NOTES), (data / "images/a.tif", of_place))
    for path, text in notes:
        path.with_name(path.name + ".aux.xml").write_text(text)
    (data / "dataset.yaml").write_text(
        "images: images/{scene}.tif\nlabels: labels/{scene}.tif\nlabel_kind: index\n"
        "classes: [wheat, maize]\n"
    )


def _write_newer_files(folder: Path) -> None:
    """Write a plan, areas, a sample, a STAC Item, a VRT, a NetCDF and an ONNX file."""
    import rasterio.shutil
    from pyogrio.raw import read, write

    from dnas_cli.planning.make_plan import make_plan
    from dnas_cli.planning.measurements import DataFacts, Measurements
    from dnas_cli.planning.plan import write_plan
    from dnas_cli.typed_fields import SettingValue, build

    dnas("encode", folder / "planned", "--stage", 1, "--data", folder / "tiles", "--layers", 2,
         "--width", 2)  # fmt: skip
    simulated = json.loads((Path(__file__).parents[1] / "planning/simulated.json").read_text())
    measured = build(Measurements, simulated["16 cores"])
    plan = make_plan(measured, DataFacts(470, 110, 110), 3600)
    settings: dict[str, SettingValue] = {"batch": 2, "head": 4, "validate_every": 1}
    short = (replace(item, epochs=1, settings=settings, fixed=True) for item in plan.stages)
    write_plan(folder / "planned", replace(plan, stages=tuple(short)))
    first, cpu = folder / "tiles/first.tif", ("--device", "cpu")
    for name in ("area.gpkg", "area.geojson"):
        dnas("predict", folder / "model.pt", first, "--out", folder / name, *cpu)
    facts, _, outlines, values = read(folder / "area.gpkg", layer="area")
    layer = {name: facts[name] for name in ("fields", "geometry_type", "crs")}
    for name, driver in (("area.shp", "ESRI Shapefile"), ("area.fgb", "FlatGeobuf")):
        write(folder / name, outlines, values, driver=driver, **layer)
    names = ("built-up", "farmland", "forest", "meadow", "water")
    lines = [",".join(("map", *names))]
    lines += [",".join((name, *(str(9 * (name == other)) for other in names))) for name in names]
    (folder / "sample.csv").write_text("\n".join(lines))
    bands = [{"eo:common_name": name} for name in ("red", "green", "blue", "nir")]
    assets = {"image": {"href": "tiles/first.tif", "roles": ["data"], "bands": bands}}
    item: dict[str, Any] = {"type": "Feature", "stac_version": "1.1.0", "id": "first"}
    item |= {"geometry": None, "properties": {}, "links": [], "assets": assets}
    (folder / "item.json").write_text(json.dumps(item))
    for name, driver in (("first.vrt", "VRT"), ("first.nc", "netCDF")):
        options = {"FORMAT": "NC4"} if driver == "netCDF" else {}
        rasterio.shutil.copy(str(first), str(folder / name), driver=driver, **options)
    dnas("export", folder / "model.pt", "--onnx", folder / "model.onnx")
