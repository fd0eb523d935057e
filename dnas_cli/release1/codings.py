"""The codings of the first release, `third_connect.npy` and `cell_operations.npy`, in and out.

`third_connect.npy` holds whole numbers (E, 2, 2): [source, target] as [layer, scale], the stem
being [-1, 0]. `cell_operations.npy` holds (L, 4, 10) with ones at the operators of each node
(method, section 8). The first release keeps cells that reach no output; here they are recognised
and left out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnas_cli.errors import DataError
from dnas_cli.files import atomic_path, size_of_file
from dnas_cli.space.coding import ArchitectureCoding
from dnas_cli.space.lattice import SCALES, STEM, Edge, Graph, Node, edge, prune
from dnas_cli.space.operators import OPERATORS

CONNECTIONS_FILE = "third_connect.npy"
OPERATIONS_FILE = "cell_operations.npy"

_LARGEST_FILE = 1 << 22  # bytes; 64 layers hold 32,640 connections at most in a file of 1 MB
_MAGIC = b"\x93NUMPY"
_ORDER = f"Give {CONNECTIONS_FILE} first, then {OPERATIONS_FILE}."

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Release1Coding:
    """An architecture as in the first release's files, with dead cells.

    Attributes:
        graph: All connections of the file, not pruned.
        operators: Per node with an incoming connection, its operators in index order.
    """

    graph: Graph
    operators: dict[Node, tuple[str, ...]]

    @property
    def living(self) -> Graph:
        """The connections between the stem and an output."""
        return prune(self.graph)

    @property
    def executed(self) -> Graph:
        """The connections that the first release computes: all that have an input.

        Some of them reach no output; the published figures still count them.
        """
        return fed(self.graph)

    @property
    def dropped(self) -> tuple[Edge, ...]:
        """The connections that `dnas` does not build: without an input, or without an output."""
        living = set(self.living.edges)
        return tuple(item for item in self.graph.edges if item not in living)

    def architecture(self) -> ArchitectureCoding:
        """Return the pruned architecture."""
        graph = self.living
        return ArchitectureCoding(graph, tuple(self.operators[node] for node in graph.nodes))


def fed(graph: Graph) -> Graph:
    """Drop the edges that carry nothing from the stem; keep those that reach no output."""
    reached, kept = {STEM}, []
    for item in graph.edges:  # sorted by target layer: sources are decided before
        if item.source in reached:
            reached.add(item.target)
            kept.append(item)
    return Graph(graph.layers, tuple(kept))


def read_release1(connections: Path, operations: Path) -> Release1Coding:
    """Read the two files of an architecture of the first release.

    Raises:
        DataError: One of them is missing, damaged or of another kind, or they do not belong
            together.
    """
    edges = _edges(connections)
    chosen = _chosen(operations)
    layers = len(chosen)
    reached = 1 + max(item.target.layer for item in edges)
    if reached != layers:
        raise DataError(
            f"{connections}: connects {reached} layers, but {operations} has operators for "
            f"{layers}.",
            "Give two files of the same architecture.",
        )
    try:
        graph = Graph(layers, tuple(edges))
    except ValueError as error:
        raise DataError(f"{connections}: is not an architecture ({error}).") from error
    coding = Release1Coding(graph, {node: _names(chosen, node) for node in graph.nodes})
    _check_living(coding, connections, operations)
    return coding


def release1_arrays(
    coding: ArchitectureCoding,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return an architecture as the arrays (E, 2, 2) int64 and (L, 4, 10) float32."""
    connections = np.array(
        [
            [[item.source.layer, item.source.scale], [item.target.layer, item.target.scale]]
            for item in coding.graph.edges
        ],
        np.int64,
    )
    chosen = np.zeros((coding.graph.layers, SCALES, len(OPERATORS)), np.float32)
    for node, names in zip(coding.graph.nodes, coding.operators, strict=True):
        for name in names:
            chosen[node.layer, node.scale, OPERATORS.index(name)] = 1
    return connections, chosen


def write_release1(folder: Path, coding: ArchitectureCoding) -> tuple[Path, Path]:
    """Write an architecture as the first release's two files, and return their paths."""
    connections, chosen = release1_arrays(coding)
    paths = (folder / CONNECTIONS_FILE, folder / OPERATIONS_FILE)
    _save(paths[0], connections)
    _save(paths[1], chosen)
    return paths


def _save(path: Path, array: Array) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _edges(path: Path) -> list[Edge]:
    array = _load(path)
    if array.dtype.kind not in "iu" or array.ndim != 3 or array.shape[1:] != (2, 2):
        raise DataError(
            f"{path}: holds {_kind(array)}; connections are whole numbers (E, 2, 2).", _ORDER
        )
    edges = [edge(tuple(source), tuple(target)) for source, target in array.tolist()]
    if not edges:
        raise DataError(f"{path}: holds no connection.")
    if len(set(edges)) != len(edges):
        twice = next(item for item in edges if edges.count(item) > 1)
        raise DataError(f"{path}: holds the connection {twice.key} twice or more.")
    return edges


def _chosen(path: Path) -> Array:
    array = _load(path)
    wanted = (SCALES, len(OPERATORS))
    if array.dtype.kind not in "fiub" or array.ndim != 3 or array.shape[1:] != wanted:
        raise DataError(f"{path}: holds {_kind(array)}; operators are numbers (L, 4, 10).", _ORDER)
    if not np.isin(array, (0, 1)).all():
        raise DataError(
            f"{path}: holds other values than 0 and 1; it may hold logits (alphas).",
            "Give the decoded operators, or import the search's checkpoint and decode it here.",
        )
    if not len(array):
        raise DataError(f"{path}: holds no layer.")
    return array


def _names(chosen: Array, node: Node) -> tuple[str, ...]:
    return tuple(OPERATORS[index] for index in np.flatnonzero(chosen[node.layer, node.scale]))


def _check_living(coding: Release1Coding, connections: Path, operations: Path) -> None:
    living = coding.living
    if not living.outputs:
        raise DataError(f"{connections}: the stem reaches no node of the last layer.")
    bare = [node.key for node in living.nodes if not coding.operators[node]]
    if bare:
        raise DataError(f"{operations}: holds no operator for the nodes {'; '.join(bare)}.")


def _load(path: Path) -> Array:
    """Load an array without unpickling anything."""
    size = size_of_file(path)
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise DataError(f"{path}: is not a .npy file.", _ORDER)
        if size > _LARGEST_FILE:
            raise DataError(f"{path}: is too large to be a coding.")
        array: Array = np.load(path, allow_pickle=False)
    except DataError:
        raise
    except Exception as error:  # NumPy reads the header as Python, which can fail in many ways
        raise DataError(
            f"{path}: is damaged or holds more than numbers ({_first_line(error)})."
        ) from error
    return array


def _kind(array: Array) -> str:
    return f"{array.dtype} values of shape {array.shape}"


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
