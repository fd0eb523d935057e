"""Parts of a STAC Item that models and maps share."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dnas_cli.files import file_hash, size_of_file
from dnas_cli.scenes.palette import LandClass

STAC_VERSION = "1.1.0"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v1.1.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_SHA2_256 = "1220"  # multihash: the function, then 32 bytes


def stac_classes(classes: Sequence[LandClass]) -> list[dict[str, Any]]:
    """Return classes as the classification extension has them; names become words."""
    return [
        {
            "value": index,
            "name": re.sub(r"[^0-9A-Za-z_-]+", "-", item.name).strip("-") or f"class-{index}",
            "description": item.name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*item.colour),
        }
        for index, item in enumerate(classes)
    ]


def file_facts(path: Path) -> dict[str, Any]:
    """Return size and checksum of a file as the file extension has them.

    Raises:
        DataError: It cannot be read.
    """
    digest = file_hash(path).removeprefix("sha256:")
    return {"file:size": size_of_file(path), "file:checksum": _SHA2_256 + digest}
