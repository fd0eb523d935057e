"""STAC Items and ItemCollections as scenes: their raster assets are the bands.

An Item in a file reads assets below its own folder. The network is reached by an Item whose address
the user gave; an Item in a file that refers there needs the user's consent, as a VRT does.
"""

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlparse

from dnas_cli.console import logger
from dnas_cli.errors import DataError
from dnas_cli.files import read_text
from dnas_cli.json_files import parse_json
from dnas_cli.scenes.external import is_external_allowed
from dnas_cli.scenes.opening import is_address
from dnas_cli.scenes.raster import RASTER_SUFFIXES
from dnas_cli.scenes.scene_files import BandFile, SceneFiles

_SUFFIXES = (".json", ".geojson")
_LARGEST = 64 << 20  # bytes
_SECONDS = 60
_MOST_BANDS = 10_000
_RASTER_TYPES = ("image/tiff", "image/vnd.stac.geotiff", "image/jp2", "image/png", "image/jpeg",
                 "application/x-hdf5", "application/x-netcdf", "application/netcdf")  # fmt: skip
_NOT_DATA = frozenset(("thumbnail", "overview", "metadata", "visual"))


def is_web_address(name: str) -> bool:
    """Whether a name is an address in the web."""
    return name.startswith(("http://", "https://"))


def may_be_items(name: str) -> bool:
    """Whether a file or address can hold Items by its name."""
    if not is_web_address(name):
        return name.lower().endswith(_SUFFIXES) and not is_address(name)
    path = urlparse(name).path.lower()
    return path.endswith(_SUFFIXES) or ("/items/" in path and not path.endswith(RASTER_SUFFIXES))


def is_items(name: str) -> bool:
    """Whether a file or address holds Items; an address does by its name, and is not asked."""
    if not may_be_items(name) or is_web_address(name):
        return may_be_items(name)
    path = Path(name)
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return False
    with path.open("rb") as file:
        return b'"assets"' in file.read()


def read_items(name: str) -> list[SceneFiles]:
    """Read the scenes of an Item or ItemCollection.

    Args:
        name: A file or an address.

    Raises:
        DataError: It cannot be read, is neither, or refers to what it may not.
    """
    document = parse_json(
        _fetched(name) if is_web_address(name) else read_text(Path(name), _LARGEST), name
    )
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "Feature":
        items = [document]
    elif kind == "FeatureCollection":
        items = document.get("features", [])
        if any(link.get("rel") == "next" for link in document.get("links", [])):
            logger.warning("%s: has further pages, which are not read", name)
    else:
        raise DataError(
            f"{name}: is not a STAC Item or ItemCollection, but {kind or 'something else'}.",
            "Name its Items, or search for them and save the ItemCollection.",
        )
    try:
        return [_scene(item, name) for item in items]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{name}: is not a valid STAC document ({error!r}).") from error


def _fetched(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_LARGEST + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise DataError(
            f"{address}: cannot be read ({error}).", "Check the address and the network."
        ) from error
    if len(content) > _LARGEST:
        raise DataError(f"{address}: is too large.")
    return content.decode("utf-8", "replace")


def _scene(item: Mapping[str, Any], origin: str) -> SceneFiles:
    name = str(item["id"])
    parts: list[BandFile] = []
    others: list[BandFile] = []
    for key, asset in item["assets"].items():
        if not _is_raster(asset):
            continue
        bands = asset.get("eo:bands") or asset.get("bands") or [{}]
        roles = {str(role) for role in asset.get("roles", [])} | {str(key)}
        place = _place(str(asset["href"]), origin, name)
        for number, band in enumerate(bands, 1):
            common = band.get("common_name") or band.get("eo:common_name")
            own = str(key) if len(bands) == 1 else f"{key}:{number}"
            names = (own, str(band.get("name") or own), str(common or own))
            part = BandFile(names, place, "", number, len(bands) == 1)
            if roles & _NOT_DATA:  # a preview is known by its key: its red is not the scene's
                others.append(replace(part, names=names[:1]))
            else:
                parts.append(part)
    if not parts + others or len(parts) > _MOST_BANDS:
        raise DataError(f"{origin}: the Item {name!r} has no raster among its assets.")
    if len(parts) == 1:  # the file may hold several bands and name them
        return SceneFiles(name, (replace(parts[0], number=0),))
    return SceneFiles(name, (*parts, *others))


def _is_raster(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type", "")).split(";")[0].strip().lower()
    path = urlparse(str(asset["href"])).path.lower()
    return kind in _RASTER_TYPES or path.endswith(RASTER_SUFFIXES)


def _place(href: str, origin: str, item: str) -> str:
    """Return the file or address of an asset.

    Raises:
        DataError: It is not below the folder of the Item, or in the network without consent.
    """
    remedy = "If you trust it, give allow_external=True."
    refused = DataError(
        f"{origin}: the Item {item!r} refers to {href!r}, which is not below its folder.", remedy
    )
    if is_web_address(origin):
        address = urljoin(origin, href)
        if not address.startswith(("http://", "https://", "s3://", "gs://")):
            raise DataError(f"{origin}: the Item {item!r} refers to {href!r}, no web address.")
        if urlparse(address).path.lower().endswith(".vrt") and not is_external_allowed():
            raise DataError(f"{origin}: the Item {item!r} refers to a VRT, {href!r}.", remedy)
        return address
    if is_address(href) and not href.startswith("file://"):
        if not is_external_allowed():
            raise refused
        return href
    folder = Path(origin).absolute().parent
    path = folder / href.removeprefix("file://")
    if not path.resolve().is_relative_to(folder.resolve()) and not is_external_allowed():
        raise refused
    return str(path)
