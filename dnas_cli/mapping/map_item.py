"""A map as a STAC Item: place, classes, checksums, and the Item of the model that made it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError
from dnas_cli.json_files import read_json, write_json
from dnas_cli.mapping.mapper import Mapper
from dnas_cli.mapping.outputs import SHARES, Outputs
from dnas_cli.metrics import IGNORE
from dnas_cli.scenes.ground import ground_resolution, ring
from dnas_cli.scenes.palette import LandClass
from dnas_cli.scenes.raster import Raster
from dnas_cli.scenes.stac_fields import (
    CLASSIFICATION,
    FILE,
    STAC_VERSION,
    TIME,
    checksum,
    classes_field,
    crs_fields,
    file_fields,
    relative_href,
    time_of,
)

_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".tiff": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".png": "image/png",
    ".gpkg": "application/geopackage+sqlite3",
    ".geojson": "application/geo+json",
    ".csv": "text/csv",
}
_ROLES = {"overlay": "overview", "areas": "metadata"}
_LARGEST_ITEM = 1 << 20  # bytes of a model's Item


def write_map_item(
    target: Path, outputs: Outputs, scene: Raster, classes: tuple[LandClass, ...], mapper: Mapper
) -> None:
    """Write the Item of a finished map beside its files.

    Its time is that of the scene where the file states one, else that of the map.

    Args:
        target: The Item; its links are relative to it.
        outputs: The files, all written.
        scene: The scene, on the grid of the map.
        classes: The classes of the map.
        mapper: The model that made it.
    """
    now = datetime.now(UTC).strftime(TIME)
    place, height, width = scene.georeference, scene.height, scene.width
    properties: dict[str, Any] = {
        "datetime": time_of(scene) or now,
        "created": now,
        "title": f"{target.stem}: map of {len(classes)} classes",
        "proj:shape": [height, width],
    }
    if place.crs_wkt is not None:
        properties |= crs_fields(place.crs_wkt)
    if place.transform is not None:
        properties["proj:transform"] = list(place.transform)
    if (resolution := ground_resolution(place, height, width)) is not None:
        properties["gsd"] = round(resolution, 4)
    points = ring(place, height, width)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [_PROJECTION, CLASSIFICATION, FILE],
        "id": target.stem,
        "geometry": {"type": "Polygon", "coordinates": [points]} if points else None,
        "properties": properties,
        "links": _links(target, mapper),
        "assets": _assets(target, outputs, classes),
    }
    if points:
        longitudes, latitudes = zip(*points, strict=True)
        item["bbox"] = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    write_json(target, item)


def _links(target: Path, mapper: Mapper) -> list[dict[str, str]]:
    item = _item_of_model(mapper)
    if item is None:
        return []
    href, kind = relative_href(item, target), "application/geo+json"
    return [{"rel": "derived_from", "href": href, "type": kind, "title": "The model of the map"}]


def _item_of_model(mapper: Mapper) -> Path | None:
    """Return the Item beside the model file that has the checksum of the model."""
    known = checksum(mapper.model_id)
    beside = sorted(Path(mapper.path).parent.glob("[!.]*.json")) if mapper.path else []
    for path in beside:
        try:
            if path.stat().st_size > _LARGEST_ITEM:
                continue
            assets = read_json(path)["assets"].values()
            if any(asset.get("file:checksum") == known for asset in assets):
                return path
        except (DataError, OSError, AttributeError, KeyError, TypeError):
            continue
    return None


def _assets(
    target: Path, outputs: Outputs, classes: tuple[LandClass, ...]
) -> dict[str, dict[str, Any]]:
    values = list(zip(outputs.values.of_class, classes, strict=True))
    known = classes_field(values)
    empty = {"value": outputs.values.nodata, "name": "no-data", "nodata": True}
    assets: dict[str, dict[str, Any]] = {}
    for path in outputs.maps:
        key = f"map_{path.suffix[1:].lower()}"
        key = key if key not in assets else f"{key}_{len(assets)}"
        assets[key] = _asset(path, target, "Classes", "data")
        if path in outputs.polygon_files:
            assets[key] |= {"classification:classes": classes_field(enumerate(classes))}
        else:
            assets[key] |= {
                "data_type": outputs.values.dtype,
                "nodata": outputs.values.nodata,
                "classification:classes": [*known, empty],
            }
    for name, path in outputs.beside.items():
        if path == target:
            continue
        assets[name] = _asset(path, target, name.capitalize(), _ROLES.get(name, "data"))
        if name in SHARES:
            assets[name] |= {"data_type": "uint8", "nodata": IGNORE}
    return assets


def _asset(path: Path, target: Path, title: str, role: str) -> dict[str, Any]:
    kind = _TYPES[path.suffix.lower()]
    href = relative_href(path, target)
    return {"href": href, "type": kind, "title": title, "roles": [role], **file_fields(path)}
