"""The lattice and the three spaces, checked on paper."""

import pytest

from dnas_cli.space.lattice import STEM, Edge, Graph, Node, edge, prune, scale_sizes
from dnas_cli.space.spaces import connection_space, core_edges, path_space


def test_odd_sizes_round_up_when_halved() -> None:
    assert scale_sizes(75, 64) == ((75, 64), (38, 32), (19, 16), (10, 8))
    assert scale_sizes(1, 1) == ((1, 1),) * 4


def test_the_path_space_of_five_layers_has_26_edges() -> None:
    graph = path_space(5)
    by_layer = [sum(item.target.layer == layer for item in graph.edges) for layer in range(5)]
    assert by_layer == [1, 2, 5, 8, 10]


def test_path_space_edges_only_step_to_neighbouring_scales() -> None:
    for item in path_space(14).edges:
        assert item.target.layer - item.source.layer == 1
        assert abs(item.target.scale - item.source.scale) <= 1
        assert item.target.scale <= min(item.target.layer, 3)


def test_an_auxiliary_node_after_a_core_at_scale_three_keeps_its_coarsest_source() -> None:
    # The first release lost edges where a path leaves scale 3.
    graph = connection_space((0, 1, 2, 3, 2))
    assert [item.source for item in graph.incoming(Node(4, 1))] == [
        Node(3, 0),
        Node(3, 1),
        Node(3, 2),
    ]
    assert edge((3, 3), (4, 2)) in graph.edges


def test_an_auxiliary_node_takes_only_scales_that_exist_before_it() -> None:
    graph = connection_space((0, 1, 0, 1))
    assert [item.source for item in graph.incoming(Node(3, 0))] == [Node(2, 0)]


def test_a_core_node_takes_from_everything_before_it() -> None:
    graph = connection_space((0, 1, 2))
    assert [item.source for item in graph.incoming(Node(2, 2))] == [
        STEM,
        Node(0, 0),
        Node(1, 0),
        Node(1, 1),
    ]


def test_core_edges_run_along_the_path_from_the_stem() -> None:
    assert core_edges((0, 1, 1)) == (
        Edge(Node(0, 0), STEM),
        Edge(Node(1, 1), Node(0, 0)),
        Edge(Node(2, 1), Node(1, 1)),
    )


@pytest.mark.parametrize("path", [(), (1,), (0, 2), (0, 1, 2, 3, 4), (0, -1)])
def test_paths_that_leave_the_lattice_are_refused(path: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="path"):
        connection_space(path)


def test_pruning_drops_what_is_not_fed_and_what_feeds_nothing() -> None:
    graph = Graph(
        4,
        (
            edge((-1, 0), (0, 0)),
            edge((0, 0), (1, 0)),
            edge((1, 1), (2, 1)),  # (1,1) has no input
            edge((0, 0), (2, 0)),  # (2,0) feeds no output
            edge((1, 0), (3, 0)),
            edge((2, 1), (3, 1)),
        ),
    )
    assert prune(graph).edges == (
        edge((-1, 0), (0, 0)),
        edge((0, 0), (1, 0)),
        edge((1, 0), (3, 0)),
    )


def test_pruning_is_done_once_for_all() -> None:
    graph = prune(connection_space((0, 1, 2, 1)))
    assert prune(graph) == graph


@pytest.mark.parametrize(
    "wrong",
    [
        ((0, 0), (0, 0)),
        ((2, 0), (1, 0)),
        ((0, 4), (1, 0)),
        ((-1, 1), (0, 0)),
        ((0, 0), (5, 0)),
        ((-2, 0), (0, 0)),
    ],
)
def test_edges_off_the_lattice_are_refused(
    wrong: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    with pytest.raises(ValueError, match="edge"):
        Graph(5, (edge(*wrong),))


def test_edges_are_sorted_and_unique_whatever_the_order_given() -> None:
    first, second = edge((-1, 0), (0, 0)), edge((0, 0), (1, 0))
    assert Graph(2, (second, first, second)).edges == (first, second)
