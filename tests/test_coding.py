"""Codings: sealed files that chain by hash and refuse what is not theirs."""

import json
from pathlib import Path
from typing import Any

import pytest

from dnas_cli.errors import DataError
from dnas_cli.json_files import content_hash
from dnas_cli.space.coding import (
    ArchitectureCoding,
    CodingDocument,
    ConnectionCoding,
    PathCoding,
    SearchSpace,
    first_space,
    second_space,
    third_space,
)
from dnas_cli.space.lattice import Graph, edge


def _architecture() -> ArchitectureCoding:
    graph = Graph(2, (edge((-1, 0), (0, 0)), edge((0, 0), (1, 0)), edge((-1, 0), (1, 0))))
    return ArchitectureCoding(graph, (("conv1x1", "conv3x3"), ("max_pool_3x3",)))


def test_every_coding_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = PathCoding((0, 1, 1), derived_from=first_space(3).hash)
    space = second_space(path)
    connections = ConnectionCoding(space.graph, derived_from=space.hash)
    for coding in (
        first_space(12),
        path,
        space,
        connections,
        third_space(connections),
        _architecture(),
    ):
        coding.write(tmp_path / "coding.json")
        assert type(coding).read(tmp_path / "coding.json") == coding


def test_a_child_names_its_parent_by_hash() -> None:
    path = PathCoding((0, 1))
    assert second_space(path).derived_from == path.hash
    assert PathCoding((0, 0)).hash != path.hash


def _tamper(document: CodingDocument, **changes: Any) -> dict[str, Any]:
    changed: dict[str, Any] = {**document, **changes}
    changed.pop("hash")
    return {**changed, "hash": content_hash(changed)}


def _refused(tmp_path: Path, kind: Any, document: Any) -> str:
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        kind.read(file)
    assert "broken.json" in str(caught.value)
    return str(caught.value)


def test_an_edited_file_is_noticed(tmp_path: Path) -> None:
    document = {**PathCoding((0, 1)).document(), "path": [0, 0]}
    assert "does not match its hash" in _refused(tmp_path, PathCoding, document)


def test_another_kind_of_document_is_named(tmp_path: Path) -> None:
    message = _refused(tmp_path, ConnectionCoding, PathCoding((0, 1)).document())
    assert "is a path coding, not a connection coding" in message


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    document = _tamper(PathCoding((0, 1)).document(), version=2)
    assert "another version" in _refused(tmp_path, PathCoding, document)


@pytest.mark.parametrize(
    "edges",
    [
        [[[-1, 0], [0, 0]], [[1, 0], [0, 0]]],  # backwards
        [[[-1, 0], [0, 0]], [[0, 0], [1, 7]]],  # off the lattice
        [[[-1, 0], [0, 0]]],  # reaches no output
        [[[-1, 0], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 0]]],  # repeated
        [[[-1, 0], [0, 0.5]]],
        [[[-1, 0]]],
        "edges",
        None,
    ],
)
def test_graphs_that_are_none_are_refused(tmp_path: Path, edges: Any) -> None:
    document = _tamper(_architecture().document(), edges=edges)
    assert "not a valid dnas/architecture-coding" in _refused(
        tmp_path, ArchitectureCoding, document
    )


@pytest.mark.parametrize(
    "operators",
    [
        {"0,0": ["conv1x1"]},  # a node without operators
        {"0,0": ["conv1x1"], "1,0": []},
        {"0,0": ["conv1x1"], "1,0": ["conv9x9"]},
        {"0,0": ["conv1x1"], "1,0": ["conv3x3", "conv1x1"]},  # not in index order
        {"0,0": ["conv1x1"], "1,0": ["conv1x1", "conv1x1"]},
        {"0,0": ["conv1x1"], "1,0": [["conv1x1"]]},
        {"0,0": ["conv1x1"], "1,0": "conv1x1"},
        [],
    ],
)
def test_operators_that_do_not_fit_are_refused(tmp_path: Path, operators: Any) -> None:
    document = _tamper(_architecture().document(), operators=operators)
    _refused(tmp_path, ArchitectureCoding, document)


def test_files_that_are_no_documents_are_refused(tmp_path: Path) -> None:
    for content in ("", "[]", "3", "{", "[" * 100_000, '{"schema": []}', "\udcff"):
        file = tmp_path / "broken.json"
        file.write_text(content, errors="surrogateescape")
        with pytest.raises(DataError, match=r"broken\.json"):
            SearchSpace.read(file)


def test_a_space_whose_edges_are_not_its_stage_s_is_refused(tmp_path: Path) -> None:
    document = first_space(4).document()
    _refused(tmp_path, SearchSpace, _tamper(document, edges=document["edges"][:-1]))
    _refused(tmp_path, SearchSpace, _tamper(document, stage=4))


def test_a_coding_that_a_killed_command_began_to_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".path.0badcafe.part.json").write_text("{")
    other = tmp_path / ".paths.0badcafe.part.json"
    other.touch()
    PathCoding((0, 1)).write(tmp_path / "path.json")
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "path.json"]
