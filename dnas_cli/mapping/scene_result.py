"""The result of mapping a scene."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dnas_cli.metrics import IGNORE, ConfusionMatrix
from dnas_cli.scenes.map_values import INDICES
from dnas_cli.scenes.palette import LandClass


@dataclass(frozen=True)
class ClassShare:
    """A class in a map.

    Attributes:
        pixels: How many pixels have it.
        share: Of the pixels with data, from 0 to 1.
        area_km2: On the ground; None where the map lies nowhere.
    """

    index: int
    name: str
    pixels: int
    share: float
    area_km2: float | None


@dataclass(frozen=True)
class Comparison:
    """A map against the labels of its scene.

    Attributes:
        label: The label raster.
        unknown_pixels: Pixels of no known colour or value; they count as unlabelled.
        classes: The classes, in the order of the matrix.
        matrix: Labelled pixels with data; may be empty.
    """

    label: str
    unknown_pixels: int
    classes: tuple[LandClass, ...]
    matrix: ConfusionMatrix

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        scored = self.matrix.metrics() if self.matrix.pixels else None
        names = [item.name for item in self.classes]
        return {
            "label": self.label,
            "unknown_pixels": self.unknown_pixels,
            "metrics": None if scored is None else scored.to_json(names),
            "confusion": self.matrix.to_json(),
        }


@dataclass(frozen=True)
class SceneResult:
    """The result of a scene: done, skipped because its outputs exist, or failed.

    Only a scene that is done has more than its outputs.

    Attributes:
        status: `done`, `skipped` or `failed`.
        outputs: The files of its map; none if it failed.
        error: Why it failed.
        width: Pixels per row.
        bands: The bands for the network, by the file's names.
        nodata: The value without data; None if there is none, or NaN.
        pixels_without_data: Pixels of the map without a class.
        map_nodata: The value of these in the map.
        map_values: What the map's values are.
        classes: Pixels and area of each class.
        window: Size of the windows in pixels.
        overlap: Pixels that neighbours share.
        polygons: Number of polygons by file.
        truth: The comparison with the labels, if any.
        resumed_from_row: Rows that an earlier, interrupted call finished.
        warnings: Doubts about the scene.
        megapixels_per_second: Rate of this call; None if all rows were finished.
        seconds: Of this call.
    """

    scene: str
    status: Literal["done", "skipped", "failed"]
    outputs: tuple[Path, ...] = ()
    error: str | None = None
    width: int = 0
    height: int = 0
    bands: tuple[str, ...] = ()
    nodata: float | None = None
    pixels_without_data: int = 0
    map_nodata: int = IGNORE
    map_values: str = INDICES
    classes: tuple[ClassShare, ...] = ()
    window: int = 0
    overlap: int = 0
    polygons: tuple[tuple[Path, int], ...] = ()
    truth: Comparison | None = None
    resumed_from_row: int = 0
    warnings: tuple[str, ...] = ()
    megapixels_per_second: float | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        known = ("scene", "status") if self.error is None else ("scene", "status", "error")
        names = vars(self) if self.status == "done" else known
        result = {name: getattr(self, name) for name in names if name != "error" or self.error}
        result["outputs"] = [str(path) for path in self.outputs]
        if self.status == "done":
            result["classes"] = [asdict(item) for item in self.classes]
            result["polygons"] = {str(path): count for path, count in self.polygons}
            result["truth"] = self.truth.to_json() if self.truth else None
        return result
