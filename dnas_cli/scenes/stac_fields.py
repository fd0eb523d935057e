"""Fields that STAC Items of models and of maps share."""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rasterio.crs import CRS

from dnas_cli.files import file_hash, size_of_file
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Raster

STAC_VERSION = "1.1.0"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v1.1.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
TIME = "%Y-%m-%dT%H:%M:%SZ"

_SHA2_256 = "1220"  # multihash: the function, then 32 bytes


def relative_href(path: Path, item: Path) -> str:
    """Return where a file is, seen from an Item; both can be moved together."""
    place = Path(os.path.relpath(path.resolve(), item.resolve().parent)).as_posix()
    return place if place.startswith("../") else f"./{place}"


def classes_field(classes: Iterable[tuple[int, LandClass]]) -> list[dict[str, Any]]:
    """Return values and classes as the classification extension has them; names become words."""
    return [
        {
            "value": value,
            "name": re.sub(r"[^0-9A-Za-z_-]+", "-", item.name).strip("-") or f"class-{value}",
            "description": item.name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*item.colour),
        }
        for value, item in classes
    ]


def crs_fields(wkt: str) -> dict[str, Any]:
    """Return the code of a CRS, or its text where it has none, as the projection extension does."""
    crs = CRS.from_wkt(wkt)
    if authority := crs.to_authority():
        return {"proj:code": ":".join(authority)}
    return {"proj:code": None, "proj:wkt2": crs.to_wkt(version="WKT2_2019")}


def time_of(scene: Raster) -> str | None:
    """Return when a scene was taken, where its file states it as GDAL has it."""
    stated = scene.dataset.tags(ns="IMAGERY").get("ACQUISITIONDATETIME", "")
    try:
        taken = datetime.fromisoformat(stated)
    except ValueError:
        return None
    return taken.replace(tzinfo=taken.tzinfo or UTC).astimezone(UTC).strftime(TIME)


def checksum(digest: str) -> str:
    """Return a hash of `file_hash` as the file extension has it."""
    return _SHA2_256 + digest.removeprefix("sha256:")


def file_fields(path: Path) -> dict[str, Any]:
    """Return size and checksum of a file as the file extension has them."""
    return {"file:size": size_of_file(path), "file:checksum": checksum(file_hash(path))}
