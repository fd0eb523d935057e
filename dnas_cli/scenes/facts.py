"""What a raster is, as plain data: size, bands, georeference, how it is stored, sample values."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError

from dnas_cli.scenes.raster import Georeference, Raster, header_errors, open_raster

_SAMPLE = 1024  # pixels on the longer side


def raster_facts(path: str) -> dict[str, Any]:
    """Return what a raster is; values come from a sample of at most 1024 x 1024 pixels.

    Raises:
        DataError: It cannot be opened or read.
    """
    with header_errors(path), open_raster(path) as scene:
        dataset = scene.dataset
        local = Path(path)
        storage = dataset.tags(ns="IMAGE_STRUCTURE")
        return {
            "format": dataset.driver,
            "bytes": local.stat().st_size if local.is_file() else None,
            "width": scene.width,
            "height": scene.height,
            "dtype": scene.stored_dtype,
            "nodata": _finite(scene.nodata),
            "nodata_is_nan": scene.nodata is not None and math.isnan(scene.nodata),
            "alpha": dataset.count > len(scene.file_bands),
            "mask": scene.has_mask,
            "palette": any(item.name == "palette" for item in dataset.colorinterp),
            **_sample(scene),
            "georeference": georeference_facts(scene.georeference),
            "storage": {
                "block": list(dataset.block_shapes[0]),
                "compression": storage.get("COMPRESSION", "none").lower(),
                "interleave": storage.get("INTERLEAVE", "").lower() or None,
                "overviews": list(dataset.overviews(1)),
                "cloud_optimized": storage.get("LAYOUT") == "COG",
            },
            "classes": _class_names(dataset.tags(1)),
        }


def georeference_facts(georeference: Georeference) -> dict[str, Any]:
    """Return where a raster lies, as plain data."""
    name, code = _crs(georeference.crs_wkt or georeference.gcp_crs_wkt)
    transform = georeference.transform
    facts: dict[str, Any] = {
        "crs": name,
        "epsg": code,
        "crs_wkt": georeference.crs_wkt,
        "transform": None if transform is None else list(transform),
        "pixel_size": None,
        "rotated": None,
        "south_up": None,
        "ground_control_points": len(georeference.gcps),
        "rpcs": georeference.rpcs is not None,
    }
    if transform is not None:
        a, b, _, d, e, _ = transform
        facts |= {
            "pixel_size": [math.hypot(a, d), math.hypot(b, e)],
            "rotated": b != 0 or d != 0,
            "south_up": e > 0 and b == 0 and d == 0,
        }
    return facts


def _sample(scene: Raster) -> dict[str, Any]:
    values, valid = scene.preview(_SAMPLE)
    bands = []
    for index, name in enumerate(scene.bands):
        band = values[index][valid].astype(np.float64)
        facts: dict[str, Any] = {
            "name": name,
            "scale": scene.scales[index],
            "offset": scene.offsets[index],
            "min": None,
            "mean": None,
            "max": None,
        }
        if band.size:
            facts |= {"min": float(band.min()), "mean": float(band.mean())}
            facts["max"] = float(band.max())
        bands.append(facts)
    zeros = bool(values.size) and not scene.has_validity
    return {
        "bands": bands,
        "valid_share": float(valid.mean()),
        "zero_share": float((values == 0).all(axis=0).mean()) if zeros else None,
        "sampled": (scene.height, scene.width) != values.shape[1:],
    }


def _class_names(tags: dict[str, str]) -> list[str] | None:
    """Return the names that `write_draft` notes in a map, class by class: names may hold commas."""
    keys = itertools.takewhile(tags.__contains__, (f"CLASS_{i}" for i in itertools.count()))
    return [tags[key] for key in keys] or None


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
