"""What a raster is: size, bands, georeference, how it is stored, sample values."""

import math
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.errors import CRSError

from dnas_cli.errors import DataError
from dnas_cli.scenes.georeference import Georeference
from dnas_cli.scenes.map_values import INDICES
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.pictures import colour_table
from dnas_cli.scenes.raster import Raster, header_errors, open_raster

_SAMPLE = 1024  # pixels on the longer side


@dataclass(frozen=True)
class BandSample:
    """A band: its name, what the file says of its values, and a sample of them, as stored."""

    name: str
    scale: float
    offset: float
    min: float | None = None
    mean: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Place:
    """Where a raster lies; `pixel_size` in units of the CRS, across and down."""

    crs: str | None
    epsg: int | None
    crs_wkt: str | None
    transform: tuple[float, ...] | None
    pixel_size: tuple[float, float] | None
    rotated: bool | None
    south_up: bool | None
    ground_control_points: int
    rpcs: bool


@dataclass(frozen=True)
class Storage:
    """How a raster is stored; blocks as rows and columns."""

    block: tuple[int, int]
    compression: str
    interleave: str | None
    overviews: tuple[int, ...]
    cloud_optimized: bool


@dataclass(frozen=True)
class RasterFacts:
    """What a raster is; shares are of the sampled pixels.

    Attributes:
        zero_share: Pixels that are 0 in all bands; None where the file says which hold data.
        sampled: Whether the sample is smaller than the raster.
        classes: Names of the classes, in a map that dnas made.
    """

    format: str
    bytes: int | None
    width: int
    height: int
    dtype: str
    nodata: float | None
    nodata_is_nan: bool
    alpha: bool
    mask: bool
    palette: bool
    bands: tuple[BandSample, ...]
    valid_share: float
    zero_share: float | None
    sampled: bool
    georeference: Place
    storage: Storage
    classes: tuple[str, ...] | None

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        return asdict(self)


def raster_facts(path: str) -> RasterFacts:
    """Return what a raster is; values come from a sample of at most 1024 x 1024 pixels.

    Raises:
        DataError: It cannot be opened or read.
    """
    with header_errors(path), open_raster(path, as_shown=False) as scene:
        dataset, local = scene.dataset, Path(path)
        values, valid = scene.preview(_SAMPLE)
        zeros = bool(values.size) and not scene.has_validity
        return RasterFacts(
            format=dataset.driver,
            bytes=local.stat().st_size if local.is_file() else None,
            width=scene.width,
            height=scene.height,
            dtype=scene.stored_dtype,
            nodata=_finite(scene.nodata),
            nodata_is_nan=scene.nodata is not None and math.isnan(scene.nodata),
            alpha=dataset.count > len(scene.file_bands),
            mask=scene.has_mask,
            palette=any(item.name == "palette" for item in dataset.colorinterp),
            bands=tuple(
                _band(scene, index, values[index][valid]) for index in range(len(scene.bands))
            ),
            valid_share=float(valid.mean()),
            zero_share=float((values == 0).all(axis=0).mean()) if zeros else None,
            sampled=(scene.height, scene.width) != values.shape[1:],
            georeference=_place(scene.georeference),
            storage=_storage(dataset),
            classes=_class_names(dataset.tags(1)),
        )


def map_classes(path: str) -> tuple[LandClass, ...]:
    """Return the classes that a map of `dnas predict` names, with their colours.

    Raises:
        DataError: It cannot be opened, or names none.
    """
    with header_errors(path), open_raster(path, as_shown=False) as scene:
        if scene.dataset.tags(1).get("VALUES", INDICES) != INDICES:
            raise DataError(f"{path}: holds the values of labels.", "Map with values=indices.")
        names = _class_names(scene.dataset.tags(1))
        table = colour_table(scene.dataset)
        if names is None or table is None or len(names) > len(table):
            raise DataError(f"{path}: names no classes.", "Give a GeoTIFF map of `dnas predict`.")
        return tuple(
            LandClass(name, (red, green, blue))
            for name, (red, green, blue, _) in zip(names, table.tolist(), strict=False)
        )


def _band(scene: Raster, index: int, values: npt.NDArray[Any]) -> BandSample:
    sample = BandSample(scene.bands[index], scene.scales[index], scene.offsets[index])
    if not values.size:
        return sample
    exact = values.astype(np.float64)
    return replace(sample, min=float(exact.min()), mean=float(exact.mean()), max=float(exact.max()))


def _place(georeference: Georeference) -> Place:
    name, code = _crs(georeference.crs_wkt or georeference.gcp_crs_wkt)
    size = rotated = south_up = None
    if georeference.transform is not None:
        a, b, _, d, e, _ = georeference.transform
        size = (math.hypot(a, d), math.hypot(b, e))
        rotated = b != 0 or d != 0
        south_up = e > 0 and not rotated
    return Place(
        crs=name,
        epsg=code,
        crs_wkt=georeference.crs_wkt,
        transform=georeference.transform,
        pixel_size=size,
        rotated=rotated,
        south_up=south_up,
        ground_control_points=len(georeference.gcps),
        rpcs=georeference.rpcs is not None,
    )


def _storage(dataset: Any) -> Storage:
    tags = dataset.tags(ns="IMAGE_STRUCTURE")
    return Storage(
        block=tuple(dataset.block_shapes[0]),
        compression=tags.get("COMPRESSION", "none").lower(),
        interleave=tags.get("INTERLEAVE", "").lower() or None,
        overviews=tuple(dataset.overviews(1)),
        cloud_optimized=tags.get("LAYOUT") == "COG",
    )


def _class_names(tags: dict[str, str]) -> tuple[str, ...] | None:
    """Return the names that `write_draft` notes in a map, class by class: names may hold commas."""
    values = [int(found[1]) for found in map(re.compile(r"CLASS_(-?\d+)").fullmatch, tags) if found]
    return tuple(tags[f"CLASS_{value}"] for value in sorted(values)) or None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _crs(wkt: str | None) -> tuple[str | None, int | None]:
    """Return the name of a coordinate reference system and its EPSG code, if it has one."""
    if wkt is None:
        return None, None
    name = wkt.split('"')[1] if '"' in wkt else wkt
    try:
        return name, CRS.from_wkt(wkt).to_epsg()
    except CRSError:
        return name, None
