"""A search space, a coding or a model's architecture as a drawing of its own."""

from itertools import pairwise
from pathlib import Path

from dnas_cli import file_kinds
from dnas_cli.errors import UsageError
from dnas_cli.files import write_bytes, write_text
from dnas_cli.report.drawing import Drawing, to_png, to_svg
from dnas_cli.report.lattice import LatticeLook, draw_lattice
from dnas_cli.report.logit_trace import chosen_edges
from dnas_cli.space.coding import (
    ArchitectureCoding,
    Coding,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    read_coding,
)
from dnas_cli.space.lattice import STEM, Edge, Graph
from dnas_cli.space.spaces import path_space

_SCALE = 2.0  # pixels of a PNG per pixel of the drawing


def write_coding_drawing(coding: Coding, path: Path, heading: str) -> None:
    """Write a coding as SVG or PNG, by the file's suffix; replaced atomically.

    Raises:
        UsageError: The suffix is another one.
    """
    drawing = coding_drawing(coding, heading)
    if path.suffix.lower() == ".svg":
        write_text(path, to_svg(drawing))
    elif path.suffix.lower() == ".png":
        write_bytes(path, to_png(drawing, _SCALE))
    else:
        raise UsageError(f"svg={path}: must end in .svg or .png.")


def read_drawable(path: Path) -> Coding:
    """Read a space, a coding, or the architecture of a model or run.

    Raises:
        DataError: The file is of another kind, or damaged.
    """
    kind = file_kinds.kind_of(path)
    if kind == file_kinds.MODEL:
        from dnas_cli.model.model_summary import read_model_summary

        return read_model_summary(path).architecture
    if kind == file_kinds.RUN:
        return ArchitectureCoding.read(path / "coding" / "architecture.json")
    return read_coding(path)


def coding_drawing(coding: Coding, heading: str) -> Drawing:
    """Return a coding as a drawing: a path over the whole lattice, anything else by itself.

    The path is in the second colour.
    """
    if isinstance(coding, PathCoding):
        graph = path_space(len(coding.scales))
        return draw_lattice(graph, LatticeLook(chosen=chosen_edges(coding), heading=heading))
    if isinstance(coding, ArchitectureCoding):
        titles = {
            node.key: f"node {node.key}\n" + "\n".join(names)
            for node, names in zip(coding.graph.nodes, coding.operators, strict=True)
        }
        look = LatticeLook(chosen=_along_path(coding.graph), titles=titles, heading=heading)
        return draw_lattice(coding.graph, look)
    assert isinstance(coding, SearchSpace | ConnectionCoding)
    if isinstance(coding, SearchSpace):
        chosen = {item.key for item in coding.core}
    else:
        chosen = _along_path(coding.graph)
    return draw_lattice(coding.graph, LatticeLook(chosen=chosen, heading=heading))


def _along_path(graph: Graph) -> set[str]:
    """Return the edges along the path below which a graph lies: of the coarsest nodes."""
    coarsest = {node.layer: node for node in graph.nodes}  # scales rise within a layer
    nodes = [STEM, *(coarsest[layer] for layer in sorted(coarsest))]
    return {Edge(b, a).key for a, b in pairwise(nodes)} & {item.key for item in graph.edges}
