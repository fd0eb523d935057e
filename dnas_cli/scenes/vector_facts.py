"""What a file of features is: its layers, their features, attributes and place."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dnas_cli.errors import DataError
from dnas_cli.scenes.polygons import require_libraries
from dnas_cli.scenes.vector_labels import refuse_other_kind


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
    import pyogrio

    refuse_other_kind(path)
    try:
        return VectorFacts(tuple(_layer(path, str(name)) for name, _ in pyogrio.list_layers(path)))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise DataError(f"{path}: cannot be opened as a vector layer ({error}).") from error


def _layer(path: Path, name: str) -> LayerFacts:
    import pyogrio

    info = pyogrio.read_info(path, layer=name, force_feature_count=True, force_total_bounds=True)
    return LayerFacts(
        name,
        int(info["features"]),
        str(info["geometry_type"] or "none"),
        tuple(str(field) for field in info["fields"]),
        str(info["crs"] or "none"),
        tuple(float(value) for value in info["total_bounds"] or ()),
    )
