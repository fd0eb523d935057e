"""The codings that stages pass to the next stage, and their files.

    stage 1 space -> path coding -> stage 2 space -> connection coding -> stage 3 space
    -> architecture coding

Each is a frozen value with a sealed JSON form; a value read from a file knows its own hash and the
hash of its parent.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Required, Self, TypedDict, cast

from dnas_cli.errors import DataError, DnasError, brief
from dnas_cli.file_kinds import CODINGS, kind_of
from dnas_cli.files import remove_leftovers
from dnas_cli.json_files import write_json
from dnas_cli.space.lattice import Edge, Graph, edge, prune
from dnas_cli.space.operators import OPERATORS
from dnas_cli.space.sealed_json import read_sealed_json, seal
from dnas_cli.space.spaces import check_path, connection_space, core_edges, path_space
from dnas_cli.typed_fields import convert, did_you_mean

if TYPE_CHECKING:
    import networkx

VERSION = 1


class CodingBody(TypedDict, total=False):
    """A coding as plain data; each kind has some of these.

    Edges are pairs of [layer, scale], source first; operators are a list in a space, and lists by
    node in an architecture.
    """

    stage: int
    layers: int
    edges: list[list[list[int]]]
    path: list[int]
    operators: list[str] | dict[str, list[str]]


class CodingDocument(CodingBody, total=False):
    """The sealed form of a coding, as in its file."""

    schema: Required[str]
    version: Required[int]
    derived_from: Required[str | None]
    hash: Required[str]
    score: float


_MOST_EDGES = 257 * 256 // 2  # between any two of the 4 x 64 nodes of the largest lattice and stem
_Edges = list[tuple[tuple[int, int], tuple[int, int]]]


@dataclass(frozen=True)
class Coding(ABC):
    """What every coding has: a schema, a parent, a hash, a file form.

    Attributes:
        derived_from: Hash of what it was derived from.
        score: Where it was chosen among candidates, its mean IoU inside the trained supernet.
    """

    schema: ClassVar[str]
    derived_from: str | None = field(default=None, kw_only=True)
    score: float | None = field(default=None, kw_only=True)

    @abstractmethod
    def body(self) -> CodingBody:
        """Return the content as plain data."""

    @classmethod
    @abstractmethod
    def from_body(cls, body: Mapping[str, Any], derived_from: str | None) -> Self:
        """Build the coding from plain data; ValueError, KeyError or TypeError if it is invalid."""

    def document(self) -> CodingDocument:
        """Return the sealed document."""
        score = {} if self.score is None else {"score": self.score}
        sealed = seal(self.schema, VERSION, {**self.body(), **score}, self.derived_from)
        return cast(CodingDocument, sealed)

    def to_json(self) -> dict[str, Any]:
        """Return the coding as plain data: its document."""
        return dict(self.document())

    @property
    def hash(self) -> str:
        """The content hash, `sha256:<hex>`."""
        return self.document()["hash"]

    def write(self, path: Path) -> None:
        """Write the coding to a file, atomically; what a killed writer of it left is removed."""
        remove_leftovers(path.parent, path.name)
        write_json(path, self.document())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the coding from a file.

        Raises:
            DataError: The file is missing, damaged, edited, or of another kind.
        """
        return cls.from_document(read_sealed_json(path, cls.schema, VERSION), str(path))

    @classmethod
    def from_document(cls, document: Mapping[str, Any], name: str) -> Self:
        """Build the coding from a document; errors call it `name`."""
        try:
            score = document.get("score")
            coding = cls.from_body(document, document.get("derived_from"))
            return coding if score is None else replace(coding, score=_share(score))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{name}: is not a valid {cls.schema} ({brief(error)}).") from error


@dataclass(frozen=True)
class SearchSpace(Coding):
    """The search space of one stage.

    Attributes:
        stage: 1, 2 or 3.
        graph: Nodes and edges, pruned.
        path: The path below which stage 2 searches; empty in the other stages.
    """

    schema: ClassVar[str] = "dnas/search-space"
    stage: int
    graph: Graph
    path: tuple[int, ...] = ()

    @property
    def core(self) -> tuple[Edge, ...]:
        """The edges of constant weight 1 (stage 2)."""
        return core_edges(self.path) if self.stage == 2 else ()

    def body(self) -> CodingBody:
        body: CodingBody = {
            "stage": self.stage,
            "layers": self.graph.layers,
            "edges": _edges_to_json(self.graph),
        }
        if self.stage == 2:
            body["path"] = list(self.path)
        if self.stage == 3:
            body["operators"] = list(OPERATORS)
        return body

    @classmethod
    def from_body(cls, body: Mapping[str, Any], derived_from: str | None) -> Self:
        stage: int = convert(body["stage"], int, "stage")
        path: tuple[int, ...] = convert(body.get("path", []), tuple[int, ...], "path")
        graph = _graph_from_json(body)
        if stage not in (1, 2, 3):
            raise ValueError(f"stage {stage} does not exist")
        if stage == 1 and graph != path_space(graph.layers):
            raise ValueError("the edges are not those of the path-level space")
        if stage == 2 and graph != connection_space(path):
            raise ValueError("the edges are not those of the connection-level space below the path")
        if stage == 3 and body["operators"] != list(OPERATORS):
            raise ValueError("the operators are not the ten candidates")
        return cls(stage, graph, path, derived_from=derived_from)


@dataclass(frozen=True)
class PathCoding(Coding):
    """The result of stage 1: a scale per layer."""

    schema: ClassVar[str] = "dnas/path-coding"
    scales: tuple[int, ...]

    def body(self) -> CodingBody:
        return {"layers": len(self.scales), "path": list(self.scales)}

    @classmethod
    def from_body(cls, body: Mapping[str, Any], derived_from: str | None) -> Self:
        scales: tuple[int, ...] = convert(body["path"], tuple[int, ...], "path")
        check_path(scales)
        if convert(body["layers"], int, "layers") != len(scales):
            raise ValueError(f"the path has {len(scales)} scales for {body['layers']} layers")
        return cls(scales, derived_from=derived_from)


@dataclass(frozen=True)
class ConnectionCoding(Coding):
    """The result of stage 2: the kept connections."""

    schema: ClassVar[str] = "dnas/connection-coding"
    graph: Graph

    def body(self) -> CodingBody:
        return {"layers": self.graph.layers, "edges": _edges_to_json(self.graph)}

    @classmethod
    def from_body(cls, body: Mapping[str, Any], derived_from: str | None) -> Self:
        return cls(_graph_from_json(body), derived_from=derived_from)


@dataclass(frozen=True)
class ArchitectureCoding(Coding):
    """The result of stage 3: connections and the operators of every node.

    Attributes:
        graph: Nodes and edges, pruned.
        operators: Per node, in the order of `graph.nodes`, its operators in index order.
    """

    schema: ClassVar[str] = "dnas/architecture-coding"
    graph: Graph
    operators: tuple[tuple[str, ...], ...]

    def to_networkx(self) -> "networkx.DiGraph":
        """Return the network as a directed graph of networkx, from the stem (-1, 0) on.

        A node is (layer, scale) and has `layer`, `scale` and `operators`.

        Raises:
            DnasError: networkx is not installed.
        """
        try:
            import networkx
        except ImportError as error:
            raise DnasError("networkx is not installed.", "pip install networkx") from error
        graph = networkx.DiGraph()
        graph.add_node((-1, 0), layer=-1, scale=0, operators=())
        for node, names in zip(self.graph.nodes, self.operators, strict=True):
            graph.add_node(
                (node.layer, node.scale), layer=node.layer, scale=node.scale, operators=names
            )
        for item in self.graph.edges:
            source, target = item.source, item.target
            graph.add_edge((source.layer, source.scale), (target.layer, target.scale))
        return graph

    def body(self) -> CodingBody:
        return {
            "layers": self.graph.layers,
            "edges": _edges_to_json(self.graph),
            "operators": {
                node.key: list(names)
                for node, names in zip(self.graph.nodes, self.operators, strict=True)
            },
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any], derived_from: str | None) -> Self:
        graph = _graph_from_json(body)
        named: dict[str, list[str]] = convert(body["operators"], dict[str, list[str]], "operators")
        expected = [node.key for node in graph.nodes]
        if sorted(named) != sorted(expected):
            raise ValueError("operators are not given for exactly the nodes of the graph")
        return cls(
            graph, tuple(_operators(named[key]) for key in expected), derived_from=derived_from
        )


def read_coding(path: Path) -> Coding:
    """Read a coding or search space of any kind.

    Raises:
        DataError: The file is missing, damaged, edited, or none of them.
    """
    kinds: tuple[type[Coding], ...] = (SearchSpace, PathCoding, ConnectionCoding)
    found = kind_of(path)
    kind = next((kind for kind in kinds if CODINGS[kind.schema] == found), ArchitectureCoding)
    return kind.read(path)


def first_space(layers: int) -> SearchSpace:
    """Return the space of stage 1."""
    return SearchSpace(1, path_space(layers))


def second_space(path: PathCoding) -> SearchSpace:
    """Return the space of stage 2 below a path."""
    return SearchSpace(2, connection_space(path.scales), path.scales, derived_from=path.hash)


def third_space(connections: ConnectionCoding) -> SearchSpace:
    """Return the space of stage 3 over the kept connections."""
    return SearchSpace(3, connections.graph, derived_from=connections.hash)


def _operators(names: list[str]) -> tuple[str, ...]:
    for name in names:
        if name not in OPERATORS:
            raise ValueError(f"unknown operator {name:.60}.{did_you_mean(name, OPERATORS)}")
    if not names or names != [name for name in OPERATORS if name in names]:
        raise ValueError("operators are missing, repeated or not in index order")
    return tuple(names)


def _edges_to_json(graph: Graph) -> list[list[list[int]]]:
    return [
        [[item.source.layer, item.source.scale], [item.target.layer, item.target.scale]]
        for item in graph.edges
    ]


def _graph_from_json(body: Mapping[str, Any]) -> Graph:
    """Read the graph, and require that it is pruned: no dead cell is ever built."""
    if len(body["edges"]) > _MOST_EDGES:
        raise ValueError(f"{len(body['edges']):,} edges are more than any lattice has")
    edges = [edge(*pair) for pair in convert(body["edges"], _Edges, "edges")]
    if len(set(edges)) != len(edges):
        raise ValueError("an edge is repeated")
    graph = Graph(convert(body["layers"], int, "layers"), tuple(edges))
    if not graph.outputs:
        raise ValueError("no node of the last layer has an input")
    if prune(graph) != graph:
        raise ValueError("some nodes reach no output or have no input")
    return graph


def _share(value: Any) -> float:
    if not isinstance(value, float) or not 0 <= value <= 1:
        raise ValueError(f"score {value!r} is not from 0 to 1")
    return value
