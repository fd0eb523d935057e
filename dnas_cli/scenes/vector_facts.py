"""What a file of features is: its layers, their features, attributes and place."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dnas_cli.scenes.polygons import require_libraries
from dnas_cli.scenes.vector_files import layer_info, layers_of


@dataclass(frozen=True)
class LayerFacts:
    """A layer: features, kind of geometry, attributes, CRS, and bounds (x and y, least first)."""

    name: str
    features: int
    geometry: str
    attributes: tuple[str, ...]
    crs: str
    bounds: tuple[float, ...]


@dataclass(frozen=True)
class VectorFacts:
    """The layers of a file."""

    layers: tuple[LayerFacts, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        return asdict(self)


def vector_facts(path: Path) -> VectorFacts:
    """Read what a file of features is.

    Raises:
        DataError: It cannot be opened, or the libraries for it are missing.
    """
    require_libraries()
    return VectorFacts(tuple(_layer(path, name) for name in layers_of(path, tables=True)))


def _layer(path: Path, name: str) -> LayerFacts:
    info = layer_info(path, name, force_feature_count=True, force_total_bounds=True)
    return LayerFacts(
        name,
        int(info["features"]),
        str(info["geometry_type"] or "none"),
        tuple(str(field) for field in info["fields"]),
        str(info["crs"] or "none"),
        tuple(float(value) for value in info["total_bounds"] or ()),
    )
