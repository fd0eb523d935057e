"""Small datasets of the kinds that mapping people report trouble with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image
from rasterio.transform import Affine

from dnas_cli.scenes.opening import without_georeference
from dnas_cli.tiles.dataset_json import open_tile_set
from dnas_cli.tiles.tile_set import TileSet
from tests.support.command_line import dnas

Array = npt.NDArray[Any]

INDEX = "label_kind: index\nclasses: [water, forest, town]\n"
BLACK_WHITE = "classes: {ground: [0, 0, 0], roof: [255, 255, 255]}\n"


def place(x: float = 500_000, y: float = 5_000_000, pixel: float = 10) -> dict[str, Any]:
    """Where a raster lies, north up in UTM 33."""
    return {"crs": "EPSG:32633", "transform": Affine(pixel, 0, x, 0, -pixel, y)}


def put(path: Path, values: Array, mask: Array | None = None, **profile: Any) -> Path:
    """Write a GeoTIFF of one band (H, W) or several (B, H, W), with a mask where one is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = values[None] if values.ndim == 2 else values
    count, height, width = bands.shape
    descriptions = profile.pop("descriptions", None)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        without_georeference(),
        rasterio.open(
            path, "w", driver="GTiff", count=count, height=height, width=width,
            dtype=bands.dtype.name, **profile,
        ) as raster,
    ):  # fmt: skip
        raster.write(bands)
        if descriptions:
            raster.descriptions = descriptions
        if mask is not None:
            raster.write_mask(mask)
    return path


def png(path: Path, picture: Array | Image.Image, **options: Any) -> Path:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path, **options)
    return path


def dataset(folder: Path, description: str) -> Path:
    """Make a folder with a `dataset.yaml`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.yaml").write_text(description)
    return folder


def noise(seed: int = 0, dtype: str = "uint8", size: int = 64, bands: int = 3) -> Array:
    """Values from 1 to 199."""
    values = np.random.default_rng(seed).integers(1, 200, (bands, size, size))
    return np.asarray(values.astype(dtype))


def scenes(folder: Path, count: int = 3, dtype: str = "uint8") -> Path:
    """Write scenes of 64 x 64 pixels, 10 km apart."""
    for number in range(count):
        where = place(500_000 + 10_000 * number)
        put(folder / f"images/s{number}.tif", noise(number, dtype), **where)
    return folder


def quarters() -> Array:
    """Class 0 in the upper left quarter, 1 in the upper right one, 2 below."""
    label = np.zeros((64, 64), np.uint8)
    label[:, 32:] = 1
    label[32:] = 2
    return label


def tiles_of(folder: Path, *arguments: object) -> TileSet:
    """Cut a folder into tiles of 32 pixels and open the tile set."""
    out = folder.with_name(folder.name + "-tiles")
    dnas("tile", folder, "--out", out, "--size", 32, "--workers", 1, *arguments)
    return open_tile_set(out)


def class_shares(tiles: TileSet) -> dict[str, float]:
    """The share of each class in all pixels of all splits, and of `unlabelled`."""
    counts = dict.fromkeys((*(item.name for item in tiles.classes), "unlabelled"), 0)
    for split in ("train", "val", "test"):
        for name, count in tiles.class_pixels(split).items():
            counts[name] += count
        counts["unlabelled"] += tiles.unlabelled_pixels(split)
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}


def truth_of(model: Path, scene: Path, label: Path, out: Path, *arguments: object) -> Any:
    """Map a scene, compare it with a label, and return how it compares."""
    result = dnas(
        "predict", model, scene, "--out", out, "--truth", label, "--json", "--overwrite",
        "--device", "cpu", *arguments,
    )  # fmt: skip
    return json.loads(result.stdout)[0]["truth"]
