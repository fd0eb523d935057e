"""The options of mapping, for `dnas predict` and `dnas_cli.predict`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypedDict

from dnas_cli.errors import UsageError
from dnas_cli.shared_options import DEVICE, LABELS_AS_IS, MAX_UNKNOWN, OVERWRITE, SHARD, VIEWS
from dnas_cli.typed_fields import Option

Views = Literal["plain", "flips", "d4"]
"""The image alone, its four mirrored views, or all eight symmetries of the square."""
Engine = Literal["torch", "onnx"]
"""What runs a network: PyTorch on any device, or ONNX Runtime on the CPU."""


def _band_list(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f"bands={text}: a name is empty.", "Write bands=4,3,2 for example.")
    return names


def _nodata(text: str) -> float | Literal["none"]:
    if text.lower() == "none":
        return "none"
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"nodata={text}: is neither a number nor none.") from error


class ReadingOptions(TypedDict, total=False):
    """How scenes are read."""

    bands: Annotated[
        Sequence[str | int] | None,
        Option("Bands in the model's order: nir,red,green or 4,3,2.", metavar="LIST",
               read=_band_list),
    ]  # fmt: skip
    nodata: Annotated[
        float | Literal["none"] | None,
        Option("Value without data, or none.  [default: the file's]", metavar="VALUE",
               at_most=math.inf, read=_nodata),
    ]  # fmt: skip
    scaled: Annotated[bool, Option("Apply the file's scale and offset.", default=False)]
    resample: Annotated[
        bool, Option("Resample scenes to the model's ground resolution.", default=False)
    ]


class MapOptions(ReadingOptions, total=False):
    """How scenes are mapped."""

    window: Annotated[
        int | None,
        Option("Window size.  [default: the model's tile size]", metavar="PX", at_least=1),
    ]
    overlap: Annotated[
        int | None,
        Option("Window overlap.  [default: a quarter window]", metavar="PX", at_least=0),
    ]
    batch: Annotated[
        int | None, Option("Windows per forward pass.  [default: by the device]", at_least=1)
    ]
    views: Annotated[Views, VIEWS]
    probabilities: Annotated[
        str | Path | None, Option("Write all class probabilities.", metavar="TIF")
    ]
    confidence: Annotated[
        str | Path | None, Option("Write the chosen class's probability.", metavar="TIF")
    ]
    entropy: Annotated[
        str | Path | None, Option("Write the entropy of the probabilities.", metavar="TIF")
    ]
    margin: Annotated[
        str | Path | None, Option("Write the lead over the next class.", metavar="TIF")
    ]
    areas: Annotated[
        str | Path | None, Option("Write shares and hectares of the classes.", metavar="CSV")
    ]
    zones: Annotated[
        Path | str | None, Option("Also write areas inside these polygons.", metavar="FILE")
    ]
    zone_field: Annotated[
        str | None,
        Option("Attribute that names zones.  [default: name, or the first text]", metavar="NAME"),
    ]
    error_matrix: Annotated[
        Path | str | None,
        Option("Counts of a probability sample, to adjust areas for error.", metavar="CSV"),
    ]
    stac: Annotated[
        str | Path | None, Option("Write a STAC Item of the map's files.", metavar="JSON")
    ]
    overlay: Annotated[str | Path | None, Option("Write a preview over the scene.", metavar="PNG")]
    truth: Annotated[
        str | Path | None, Option("Compare the map with a label of the scene.", metavar="LABEL")
    ]
    dataset: Annotated[
        str | Path | None,
        Option("Description of the folders of scenes, or of the truth.", metavar="NAME|YAML"),
    ]  # fmt: skip
    max_unknown: Annotated[float, MAX_UNKNOWN]
    labels_as_is: Annotated[bool, LABELS_AS_IS]
    values: Annotated[
        Literal["indices", "labels"],
        Option("Values of the map: class indices, or those of the labels.", default="indices"),
    ]
    map_nodata: Annotated[
        int | None,
        Option("Map value of pixels without data.  [default: 255, or what is free]",
               metavar="VALUE", at_least=0, at_most=255),
    ]  # fmt: skip
    unsure: Annotated[
        float | None,
        Option("Pixels of lower confidence become a class of their own.", metavar="SHARE",
               at_least=0, at_most=1),
    ]  # fmt: skip
    sieve: Annotated[
        str | None,
        Option("Smaller patches join their largest neighbour: 1000m2 or 20px.", metavar="SIZE"),
    ]
    min_area: Annotated[
        float, Option("Leave out smaller polygons.", metavar="M2", default=0.0, at_least=0)
    ]
    simplify: Annotated[
        str | float,
        Option("Simplify polygons: 10m, or in CRS units.", metavar="DIST", default="0"),
    ]
    clip: Annotated[Path | str | None, Option("Map only inside these polygons.", metavar="FILE")]
    engine: Annotated[
        Engine | None,
        Option("onnx: ONNX Runtime, on the CPU.  [default: torch; of an .onnx file onnx]"),
    ]
    device: Annotated[str, DEVICE]
    overwrite: Annotated[bool, OVERWRITE]
    shard: Annotated[str | None, SHARD]
    scheduler: Annotated[
        str | None,
        Option("Map on the workers of a Dask cluster: tcp://host:8786.", metavar="ADDRESS",
               panel="Machine"),
    ]  # fmt: skip
